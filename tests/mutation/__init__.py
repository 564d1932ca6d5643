"""Mutation tests of the pure core: small faults are put into it, and the tests must notice."""
