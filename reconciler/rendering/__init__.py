"""Plans and diagnostics as text, JSON, Markdown and the rest. Computes nothing but layout."""
