"""Chaos: what a run makes of lost cameras, of `kill -9` and of a disk that is full, seeded and counted."""
