"""What the tests of the tracker of one camera do again and again."""

from __future__ import annotations

from typing import Any

from relaytrack.trackers import DeepSort, TrackResult


def follow(tracker: DeepSort, shots: list[Any], looks: bool = True) -> list[TrackResult]:
    """What the tracker says of each frame; with `looks` it gets the embeddings, too."""
    return [tracker.update(s.xyxy, s.scores, s.embeddings if looks else None, s.time) for s in shots]


def box(x: float, y: float = 100.0, height: float = 100.0) -> list[float]:
    """The box of somebody who stands upright, with the upper left corner at (x, y)."""
    return [x, y, x + 0.4 * height, y + height]
