"""Trackers under one shape, so that a benchmark can run any of them: ours here, other people's in `peers`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.replay.detection_cache import DetectionCache
from relaytrack.pipeline.replay.track import track_cache
from relaytrack.trackers import DeepSort, DeepSortParams
from relaytrack.trackers.evaluation import MotRows
from relaytrack.trackers.refine import fill_gaps

Found = tuple[NDArray[Any], NDArray[Any]]


class Runner(Protocol):
    """A tracker in the middle of a sequence."""

    def __call__(self, xyxy: Floats, scores: Floats, embeddings: Floats | None, time: float) -> Found:
        """Take in a frame; returns (M,) ids and (M, 4) xyxy of the tracks to report."""
        ...


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of a table.

    Attributes:
        name: what the table calls it.
        start: makes a fresh tracker for a sequence of that many frames per second.
        ours: whether it is RelayTrack's.
        appearance: whether it is given embeddings.
        predicts: whether it also reports boxes that no detection supports in that frame.
        offline: for one that sees the whole sequence before it answers: (cache, frames per second) to rows.
    """

    name: str
    start: Callable[[float], Runner]
    ours: bool = False
    appearance: bool = True
    predicts: bool = False
    offline: Callable[[DetectionCache, float], MotRows] | None = None


REFINED = "relaytrack --refine (off-line)"


def own_contenders() -> list[Contender]:
    """RelayTrack's tracker: as it comes, with coasting boxes, refined, by motion alone, and the 2017 paper's."""
    return [
        Contender("relaytrack", _deep_sort(DeepSortParams()), ours=True),
        Contender("relaytrack+coasting", _deep_sort(DeepSortParams(report_coasting=True)), ours=True, predicts=True),
        Contender(REFINED, _deep_sort(DeepSortParams()), ours=True, predicts=True, offline=_refined),
        Contender("relaytrack motion only", _deep_sort(DeepSortParams()), ours=True, appearance=False),
        Contender("relaytrack classic", _deep_sort(DeepSortParams.classic()), ours=True),
    ]


def own_variant(name: str, settings: dict[str, Any]) -> Contender:
    """Our tracker with some settings changed.

    Raises:
        TrackerError: a setting that is unknown or out of range.
    """
    params = DeepSort(**settings).params
    return Contender(f"relaytrack {name}", _deep_sort(params), ours=True, predicts=params.report_coasting)


def _refined(cache: DetectionCache, fps: float) -> MotRows:
    rows = track_cache(cache, DeepSort(), fps=fps, backfill=True).rows
    return fill_gaps(rows, cache.clock(fps))[0]


def _deep_sort(params: DeepSortParams) -> Callable[[float], Runner]:
    def start(_: float) -> Runner:
        tracker = DeepSort(params)

        def run(xyxy: Floats, scores: Floats, embeddings: Floats | None, time: float) -> Found:
            found = tracker.update(xyxy, scores, embeddings, time)
            return found.ids, found.xyxy

        return run

    return start


def no_tracks() -> Found:
    """The empty report."""
    return np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
