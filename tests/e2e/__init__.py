"""The command line from outside: a real process against the simulated provider and the simulated Plex."""
