"""Detections that no track took, from around the beginnings of tracks; see `trackers.beginnings`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.records import Floats, Ints
from relaytrack.pipeline.tracking.recent_frames import RecentFrames
from relaytrack.trackers import Backfill
from relaytrack.trackers.beginnings import LONGEST, FreeFrame

LEAST_SCORE = 0.27
"""Score, on the tracker's scale, below which a detection is not kept: most of them are no people."""


@dataclass(frozen=True, slots=True, eq=False)
class _Page:
    """The detections of one call; `rows` are their numbers in it, and `free` changes when a track takes one late."""

    call: int
    index: int
    time: float
    rows: Ints
    xyxy: Floats
    scores: Floats
    free: NDArray[np.bool_]


class FreeDetections:
    """Collects one camera's free detections of a run over files.

    Only the seconds before a track's first box are kept, so memory grows with the number of tracks.

    Args:
        most: frames that are remembered until a track needs them.
    """

    def __init__(self, most: int) -> None:
        self._recent: RecentFrames[_Page] = RecentFrames(most)
        self._kept: dict[int, _Page] = {}
        self._calls = 0

    def saw(self, index: int, time: float, xyxy: Floats, scores: Floats, taken: Ints, score_scale: float) -> None:
        """Note what the tracker was given in its next call.

        Args:
            index: the source's own frame number.
            time: seconds.
            xyxy: (N, 4) boxes in pixels of the source's full picture.
            scores: (N,) on the detector's scale.
            taken: detections that tracks were updated with.
            score_scale: the detector's scores are divided by it for the tracker.
        """
        kept: NDArray[np.bool_] = (scores >= LEAST_SCORE * score_scale) & np.isfinite(xyxy).all(axis=1)
        kept[taken] = False
        rows = np.flatnonzero(kept).astype(np.int64)
        page = _Page(self._calls, index, time, rows, xyxy[rows], scores[rows], np.ones(len(rows), bool))
        self._recent.add(page)
        self._calls += 1

    def born(self, found: Backfill) -> None:
        """Learn which detections the tracks took that were just confirmed, and keep what was free before them."""
        for call in np.unique(found.frames).tolist():
            page = self._recent.get(call)
            if page is not None:
                page.free[np.isin(page.rows, found.indices[found.frames == call])] = False
        _, first = np.unique(found.ids, return_index=True)  # a track's boxes are in the order of frames
        for call in set(found.frames[first].tolist()):
            self._keep(call)

    def _keep(self, call: int) -> None:
        start = self._recent.get(call)
        page = start
        while start is not None and page is not None and start.time - page.time <= LONGEST + 1e-6:
            self._kept[page.call] = page
            page = self._recent.get(page.call - 1) if page.call > 0 else None

    def frames(self) -> list[FreeFrame]:
        """What is free around the tracks' beginnings, by frame."""
        pages = sorted(self._kept.values(), key=lambda page: page.index)
        return [
            FreeFrame(
                page.index, page.time, page.xyxy[page.free].astype(np.float64), page.scores[page.free].astype(float)
            )
            for page in pages
        ]
