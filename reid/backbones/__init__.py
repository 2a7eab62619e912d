"""Backbones, cut into stages."""
