"""A simulated provider and a simulated Plex, on loopback: to try specs without touching the real ones."""
