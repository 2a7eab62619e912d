"""Ranking quality, re-ranking and the calibrated same-person threshold."""
