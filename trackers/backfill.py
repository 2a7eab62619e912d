"""The boxes of tracks from before they were confirmed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.results import Backfill
from relaytrack.trackers.rows import where
from relaytrack.trackers.state import Tracks


@dataclass(frozen=True, slots=True)
class _TentativeFrame:
    """The tentative tracks that one frame saw."""

    frame: int
    time: float
    serials: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    indices: NDArray[np.int64]


class Diary:
    """Keeps what tentative tracks saw for as long as one of them lives."""

    def __init__(self) -> None:
        self._pages: deque[_TentativeFrame] = deque()
        self._ready = _joined([])

    def __len__(self) -> int:
        """Number of frames remembered."""
        return len(self._pages)

    def write(self, tracks: Tracks, confirmed: NDArray[np.int64], frame: int, time: float) -> None:
        """Note this frame's tentative tracks and collect the past of the rows `confirmed`."""
        self._ready = self._past(tracks.serial[confirmed], tracks.ids[confirmed])
        tentative = tracks.ids == 0
        alive = tracks.serial[tentative]
        rows = where(tentative & (tracks.misses == 0))
        if len(rows):
            self._pages.append(
                _TentativeFrame(
                    frame,
                    time,
                    tracks.serial[rows],
                    tracks.xyxy[rows].astype(np.float32),
                    tracks.score[rows].astype(np.float32),
                    tracks.index[rows],
                )
            )
        oldest = alive.min() if len(alive) else np.inf
        while self._pages and self._pages[0].serials.max() < oldest:
            self._pages.popleft()

    def pop(self) -> Backfill:
        """Hand over what the last `write` collected."""
        ready, self._ready = self._ready, _joined([])
        return ready

    def _past(self, serials: NDArray[np.int64], ids: NDArray[np.int64]) -> Backfill:
        if len(serials) == 0:
            return _joined([])
        order = np.argsort(serials)
        serials, ids = serials[order], ids[order]
        parts: list[tuple[NDArray[Any], ...]] = []
        for page in self._pages:
            place = np.searchsorted(serials, page.serials).clip(max=len(serials) - 1)
            mine = serials[place] == page.serials
            count = int(np.count_nonzero(mine))
            if count:
                when = np.full(count, page.frame), np.full(count, page.time)
                parts.append((*when, ids[place[mine]], page.xyxy[mine], page.scores[mine], page.indices[mine]))
        return _joined(parts)


def _joined(parts: list[tuple[NDArray[Any], ...]]) -> Backfill:
    if parts:
        return Backfill(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    none = np.zeros(0, np.int64)
    return Backfill(none, np.zeros(0), none, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), none)
