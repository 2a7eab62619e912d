"""What happens to a finished run: final identities, corrections, search."""
