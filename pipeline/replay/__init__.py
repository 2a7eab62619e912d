"""Tracking again without the networks, from detections that were kept."""
