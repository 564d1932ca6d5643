"""Fetching: hosts, fallbacks, caches, credentials. The edge towards providers."""
