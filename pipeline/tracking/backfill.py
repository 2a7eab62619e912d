"""Boxes of tracks from before they were confirmed; known only later, they enter only the final outputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from relaytrack.pipeline.records import Detections, Floats, Frame, FrameInfo, Ints
from relaytrack.pipeline.results.track_rows import TrackRows
from relaytrack.pipeline.tracking.free_detections import FreeDetections
from relaytrack.pipeline.tracking.recent_frames import RecentFrames
from relaytrack.trackers import Backfill
from relaytrack.trackers.beginnings import FreeFrame, carry_back
from relaytrack.trackers.heads import mend_heads

_REMEMBERED = 1000  # frames; a track is confirmed, or given up, within far fewer


class EarlierBoxes:
    """Collects one camera's earlier boxes of a run over files, and the detections that they may be carried back onto.

    Boxes are in pixels of the source's full picture, frames are the source's own numbers.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[Ints, Ints, Floats, Floats]] = []
        self._indices: RecentFrames[int] = RecentFrames(_REMEMBERED)
        self._free = FreeDetections(_REMEMBERED)

    def saw(
        self,
        frame: Frame | FrameInfo,
        found: Detections | None = None,
        taken: Ints | None = None,
        score_scale: float = 1.0,
    ) -> None:
        """Note the frame that the tracker was just given.

        Args:
            frame: the source's number and time of it.
            found: the N detections, in pixels of its image, scores on the detector's scale.
            taken: which of them tracks were updated with.
            score_scale: the scores were divided by it for the tracker.
        """
        info = frame.info if isinstance(frame, Frame) else frame
        found = Detections.empty() if found is None else found
        taken = np.zeros(0, np.int64) if taken is None else taken
        self._indices.add(info.index)
        boxes = found.xyxy + np.array([*info.roi_origin, *info.roi_origin], np.float32)
        self._free.saw(info.index, info.time, boxes, found.scores, taken, score_scale)

    def add(self, found: Backfill, origin: tuple[int, int], score_scale: float = 1.0, first_id: int = 0) -> None:
        """Take over what the tracker handed out for its last frame, its scores back on the detector's scale."""
        self._free.born(found)
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

    def free(self) -> list[FreeFrame]:
        """The detections that no track took, from before the tracks' first boxes, by frame."""
        return self._free.frames()


Earlier = Mapping[str, EarlierBoxes]
"""The earlier boxes by camera."""


def beginnings(own: TrackRows, earlier: EarlierBoxes) -> TrackRows:
    """All boxes of tracks from before they were confirmed.

    Their track ids are set right by the confirmed boxes, and tracks are carried further back onto free detections. A
    track that was confirmed only after it was last seen has no confirmed box, no identity, and none here either.

    Args:
        own: the confirmed boxes, as `tracks/` holds them.
        earlier: what was collected of the same camera.
    """
    early = TrackRows.of(*earlier.rows())
    early = early.pick(np.isin(early.ids, own.ids))
    whole = TrackRows.joined([own, early])
    if len(early):
        is_early = np.arange(len(whole)) >= len(own)
        whole = whole.named(mend_heads(whole.frames, whole.ids, whole.xyxy, is_early))
    found = carry_back(whole.frames, whole.ids, whole.xyxy, earlier.free())
    more = TrackRows.of(found.frames, found.ids, found.xyxy, found.scores)
    return TrackRows.joined([early.named(whole.ids[len(own) :]), more])
