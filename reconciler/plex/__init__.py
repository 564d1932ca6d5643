"""What we know of Plex: its objects, its answers, its requests. Evidence is cited beside each use of it."""
