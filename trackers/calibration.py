"""Scales that are learnt while tracking, so that one set of thresholds fits every detector and embedder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class ScoreScale:
    """The score that the detector at hand gives to a clear person.

    Small detectors are shy: one's 0.35 is another's 0.7. The scale is the mean of recent scores, each
    weighted by itself, so that a long tail of low scores, however many a detector lets through, hardly counts.
    Old frames fade with `memory` detections.
    """

    def __init__(self, memory: float = 2000.0) -> None:
        self._memory = memory
        self._sum = 0.0
        self._squares = 0.0

    def observe(self, scores: Floats) -> None:
        """Learn from the scores (N,) of one frame."""
        keep = max(0.0, 1.0 - len(scores) / self._memory)
        self._sum = keep * self._sum + float(scores.sum())
        self._squares = keep * self._squares + float((scores * scores).sum())

    @property
    def value(self) -> float:
        """The scale; 1 before anything was seen."""
        return self._squares / self._sum if self._sum > 0 else 1.0


class AppearanceScale:
    """Where cosines of the same person and of strangers lie for the embedder at hand.

    Strangers are known without labels: a matched track and every other detection of the same frame. The same
    person is a track and the detection that overlap and appearance agreed on.

    Args:
        same, strangers: cosines expected before anything was seen.
        trust: number of pairs that this expectation counts for.
        memory: number of pairs after which old ones fade.
    """

    def __init__(
        self, same: float = 0.85, strangers: float = 0.45, trust: float = 30.0, memory: float = 3000.0
    ) -> None:
        self._memory = memory
        self._same = np.array([same, 1.0]) * trust
        self._strangers = np.array([strangers, 1.0]) * trust

    def observe(self, same: Floats, strangers: Floats) -> None:
        """Learn from cosines of pairs known to be one person (N,) and two (M,)."""
        for total, cosines in ((self._same, same), (self._strangers, strangers)):
            total *= max(0.0, 1.0 - len(cosines) / self._memory)
            total += (float(cosines.sum()), len(cosines))

    @property
    def same(self) -> float:
        """Mean cosine of a track with its own next detection."""
        return float(self._same[0] / self._same[1])

    @property
    def strangers(self) -> float:
        """Mean cosine of a track with other people's detections."""
        return float(self._strangers[0] / self._strangers[1])

    def similarity(self, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map cosines so that strangers are at 0 and the same person at 1 on average."""
        span = max(self.same - self.strangers, 0.05)
        scaled: NDArray[np.float32] = (cosines - np.float32(self.strangers)) * np.float32(1.0 / span)
        return scaled
