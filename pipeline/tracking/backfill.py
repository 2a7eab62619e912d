"""Boxes of tracks from before they were confirmed; known only later, they enter only the final outputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from relaytrack.pipeline.records import Floats, Frame, FrameInfo, Ints
from relaytrack.pipeline.tracking.recent_frames import RecentFrames
from relaytrack.trackers import Backfill

_REMEMBERED = 1000  # frames; a track is confirmed, or given up, within far fewer


class EarlierBoxes:
    """Collects one camera's earlier boxes of a run over files.

    Boxes are in pixels of the source's full picture, frames are the source's own numbers.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[Ints, Ints, Floats, Floats]] = []
        self._indices: RecentFrames[int] = RecentFrames(_REMEMBERED)

    def saw(self, frame: Frame | FrameInfo) -> None:
        """Note the source's number of the frame that the tracker was just given."""
        self._indices.add(frame.index)

    def add(self, found: Backfill, origin: tuple[int, int], score_scale: float = 1.0, first_id: int = 0) -> None:
        """Take over what the tracker handed out for its last frame, its scores back on the detector's scale."""
        numbers = [self._indices.get(call) for call in found.frames.tolist()]
        known = [row for row, number in enumerate(numbers) if number is not None]
        if not known:
            return
        indices = np.array([numbers[row] for row in known], np.int64)
        boxes = found.xyxy[known] + np.array([*origin, *origin], np.float32)
        self._rows.append((indices, found.ids[known] + first_id, boxes, found.scores[known] * np.float32(score_scale)))

    def rows(self) -> tuple[Ints, Ints, Floats, Floats]:
        """Frames (M,), track ids (M,), boxes (M, 4) xyxy and scores (M,)."""
        if not self._rows:
            none = np.zeros(0, np.int64)
            return none, none, np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        frames, ids, boxes, scores = (np.concatenate(column) for column in zip(*self._rows, strict=True))
        return frames, ids, boxes, scores


Earlier = Mapping[str, EarlierBoxes]
"""The earlier boxes by camera."""
