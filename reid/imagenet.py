"""Mean and deviation of ImageNet's colours, which pictures are freed of before they come to a network."""

from __future__ import annotations

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of red, green and blue, in 0..1."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Deviation of red, green and blue, in 0..1."""
