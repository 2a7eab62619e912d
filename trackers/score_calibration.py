"""Scales that are learnt while tracking, so that one set of thresholds fits every detector and embedder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

CLEAR = 0.9
"""Guessed likelihood from which a score counts as that of a clear person."""


class ScoreCalibration:
    """How likely a detection of a given score is a person, for the detector at hand.

    One detector's 0.3 is mostly people, another's is one in twenty-five. It can be learnt without labels: people stay,
    so a tracked person has a box in the next frame too, while noise flickers. The share of
    detections that continue a confirmed track is counted per score, old counts fade, and scores are taken
    to be in order (a higher one is never less likely). At first, a guess stands in: half of the score that
    the detector gives to clear people is as good as a coin.

    A sign stays too, so what never left its place is no proof: it counts like noise, except at scores that are as
    high as clear people's, where it does not count at all.

    Args:
        bins: number of score intervals.
        trust: detections per interval that the guess counts for.
        memory: detections after which old ones fade.
    """

    def __init__(self, bins: int = 40, trust: float = 10.0, memory: float = 4000.0) -> None:
        self._bins = bins
        self._trust = trust
        self._memory = memory
        self._seen = np.zeros(bins)
        self._continued = np.zeros(bins)
        self._moments = np.zeros(2)
        self._guess = np.zeros(bins)
        self._likely = np.zeros(bins)
        self._middle = (np.arange(bins) + 0.5) / bins

    def expect(self, scores: Floats) -> None:
        """Record a frame's scores (N,) before it is matched."""
        fourth = (scores * scores) ** 2
        self._moments *= self._keep(len(scores))
        self._moments += (float(np.add.reduce(fourth)), float(np.add.reduce(fourth * scores)))
        clear = self._moments[1] / self._moments[0] if self._moments[0] > 0 else 1.0
        self._guess = 1.0 / (1.0 + np.exp((0.5 - self._middle / max(clear, 1e-3)) / 0.1))
        likely = (self._continued + self._trust * self._guess) / (self._seen + self._trust)
        self._likely = np.maximum.accumulate(likely)

    def observe(self, scores: Floats, continued: Mask, still: Mask | None = None) -> None:
        """Learn from a frame.

        Args:
            scores: (N,) of its detections.
            continued: (N,) which of them continue a confirmed track.
            still: (N,) which of these tracks never left their place, where any did not.
        """
        place = self._bin(scores)
        if still is not None:
            telling = ~(still & (self._guess[place] >= CLEAR))
            place, continued = place[telling], (continued & ~still)[telling]
        keep = self._keep(len(scores))
        self._seen = keep * self._seen + np.bincount(place, minlength=self._bins)
        self._continued = keep * self._continued + np.bincount(place[continued], minlength=self._bins)

    def probability(self, scores: Floats) -> Floats:
        """(N,) likelihoods that detections of these scores are people."""
        likely: Floats = self._likely[self._bin(scores)]
        return likely

    def proven(self, scores: Floats) -> Floats:
        """(N,) the part of these likelihoods that was learnt: 0 before anything was seen, whatever the guess."""
        proven = np.maximum.accumulate(self._continued / (self._seen + self._trust))
        learnt: Floats = proven[self._bin(scores)]
        return learnt

    def _bin(self, scores: Floats) -> NDArray[np.int64]:
        place: NDArray[np.int64] = (np.maximum(scores, 0.0) * self._bins).astype(np.int64)
        return np.minimum(place, self._bins - 1)

    def _keep(self, count: int) -> float:
        return max(0.0, 1.0 - count / self._memory)


class JitterScale:
    """How far this detector's boxes lie from where steady tracks expect them, over the height.

    A detector whose boxes hardly jitter deserves little smoothing. The mean distance bounds its jitter from above,
    since a walk's own changes are in it too.

    Args:
        expected: distance before anything was seen.
        trust: boxes that this counts for.
        memory: boxes after which old ones fade.
    """

    def __init__(self, expected: float = 0.05, trust: float = 50.0, memory: float = 2000.0) -> None:
        self._memory = memory
        self._total = np.array([expected, 1.0]) * trust

    def observe(self, distances: Floats) -> None:
        """Learn from the distances (N,) of boxes from predictions, over the height."""
        self._total *= max(0.0, 1.0 - len(distances) / self._memory)
        self._total += (float(distances.sum()), len(distances))

    @property
    def value(self) -> float:
        """Mean distance over the height."""
        return float(self._total[0] / self._total[1])


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
        self, same: float = 0.85, strangers: float = 0.45, trust: float = 30.0, memory: float = 10000.0
    ) -> None:
        self._memory = memory
        self._same = np.array([same, 1.0]) * trust
        self._strangers = np.array([strangers, 1.0]) * trust

    def observe(self, cosines: NDArray[np.float32], same: NDArray[np.float32], pairs: int) -> None:
        """Learn from a frame.

        Args:
            cosines: (N, M) of all tracks with all detections, 0 where one of them has no embedding.
            same: (K,) those of the pairs that were matched.
            pairs: number of pairs of a known track and an embedded detection.
        """
        strangers = max(pairs - len(same), 0)
        inner = float(np.add.reduce(same))
        outer = float(cosines.sum()) - inner if strangers else 0.0
        for total, cosine, count in ((self._same, inner, len(same)), (self._strangers, outer, strangers)):
            total *= max(0.0, 1.0 - count / self._memory)
            total += (cosine, count)

    @property
    def same(self) -> float:
        """Mean cosine of a track with its own next detection."""
        return float(self._same[0] / self._same[1])

    @property
    def strangers(self) -> float:
        """Mean cosine of a track with other people's detections."""
        return float(self._strangers[0] / self._strangers[1])

    @property
    def span(self) -> float:
        """Difference of the two."""
        return max(self.same - self.strangers, 0.05)
