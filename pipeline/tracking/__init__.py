"""Tracks of one camera, and what belongs to them."""
