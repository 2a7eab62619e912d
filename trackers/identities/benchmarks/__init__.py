"""Measurements of the association of identities."""
