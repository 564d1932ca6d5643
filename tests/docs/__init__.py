"""The documents: every command in them runs."""
