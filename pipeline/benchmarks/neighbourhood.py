"""How the tracker fares with settings around its own: a single run over few sequences proves little.

One identity switch moves IDF1 of a short sequence by points, so a set of settings is judged by many sets near it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.benchmarks.accuracy import Case
from relaytrack.pipeline.replay.detection_cache import read_cache
from relaytrack.pipeline.replay.track import track_cache
from relaytrack.trackers import DeepSort, DeepSortParams
from relaytrack.trackers.evaluation import evaluate
from relaytrack.trackers.params import SHARES

SPREAD = 0.15
SEED = 20261120
# Shares close to 1 are varied by their distance from 1.
_FROM_ONE = {"feature_momentum"}
_AT_MOST_ONE = SHARES - _FROM_ONE


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The defaults (row 0) and sets around them on every case.

    Attributes:
        cases: (C,) names "SEQUENCE DETECTOR".
        plain: (1 + S, C, 2) HOTA and IDF1 in percent, boxes of real detections only.
        coasting: the same with predicted boxes of coasting tracks.
    """

    cases: tuple[str, ...]
    plain: NDArray[np.float64]
    coasting: NDArray[np.float64]

    def means(self, coasting: bool = False) -> NDArray[np.float64]:
        """(1 + S, 2) means over the cases of real detectors (whose name does not begin with "gt")."""
        real = [not name.split()[-1].startswith("gt") for name in self.cases]
        values = (self.coasting if coasting else self.plain)[:, np.array(real)]
        return np.asarray(values.mean(axis=1))


def jittered(params: DeepSortParams, sets: int, spread: float = SPREAD) -> Iterator[DeepSortParams]:
    """Settings in which every fractional number is off by up to `spread` of itself, each by its own draw."""
    rng = np.random.default_rng(SEED)
    for _ in range(sets):
        changed: dict[str, Any] = {}
        for field in fields(params):
            value = getattr(params, field.name)
            if isinstance(value, float):
                factor = float(rng.uniform(1 - spread, 1 + spread))
                moved = 1 - (1 - value) * factor if field.name in _FROM_ONE else value * factor
                changed[field.name] = min(moved, 1.0) if field.name in _AT_MOST_ONE else moved
        changed["track_low_thresh"] = min(changed["track_low_thresh"], changed["track_high_thresh"])
        yield replace(params, **changed)


def explore(cases: Sequence[Case], sets: int, say: Callable[[str], None] = lambda _: None) -> Neighbourhood:
    """Run the defaults and `sets` sets around them over all cases."""
    caches = [read_cache(case.path) for case in cases]
    found = np.zeros((2, 1 + sets, len(cases), 2))
    trials = [DeepSortParams(), *jittered(DeepSortParams(), sets)]
    for row, params in enumerate(trials):
        for column, (case, cache) in enumerate(zip(cases, caches, strict=True)):
            tracker = DeepSort(replace(params, report_coasting=True))
            tracked = track_cache(cache, tracker, fps=case.truth.frame_rate)
            for kind, rows in enumerate((tracked.rows.select(~tracked.coasting), tracked.rows)):
                scores = evaluate(case.truth, rows)
                found[kind, row, column] = 100 * scores.hota, 100 * scores.idf1
        say(f"set {row} of {sets}")
    names = tuple(f"{case.sequence} {case.detector}" for case in cases)
    return Neighbourhood(names, found[0], found[1])


def neighbourhood_table(found: Neighbourhood) -> str:
    """Defaults, and median, least and most of the sets around them: HOTA / IDF1."""
    lines = ["| cells | boxes | defaults | median | least | most |", "|---|---|---|---|---|---|"]
    for boxes, values in (("detected", found.plain), ("with coasting", found.coasting)):
        mean = found.means(coasting=boxes != "detected")
        lines.append(_line("**mean of real detections**", boxes, mean))
        lines += [_line(name, boxes, values[:, column]) for column, name in enumerate(found.cases)]
    return "\n".join(lines)


def _line(name: str, boxes: str, values: NDArray[np.float64]) -> str:
    around = values[1:] if len(values) > 1 else values
    shown = [values[0], np.median(around, axis=0), around.min(axis=0), around.max(axis=0)]
    return f"| {name} | {boxes} | " + " | ".join(f"{hota:.1f} / {idf1:.1f}" for hota, idf1 in shown) + " |"
