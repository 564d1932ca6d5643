"""Desired, observed and ledger in; a plan out. Pure: no clock, no file, no network."""
