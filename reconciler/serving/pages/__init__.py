"""The hub's pages: status, guide, one channel. Made on the server, read-only, without anything from outside."""
