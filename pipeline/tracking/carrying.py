"""Carrying boxes on over frames in which nobody was looked for: as far as they moved in the frames before."""

from __future__ import annotations

import numpy as np

from relaytrack.pipeline.records import Detections, Floats, FrameInfo, FrameTracks

LONGEST = 0.6
"""Seconds over which boxes are carried; beyond that nobody knows where they are."""


class CarriedBoxes:
    """The tracks of the last two frames that were looked at: where people are, and how fast they move."""

    def __init__(self) -> None:
        self._last: FrameTracks | None = None
        self._before: FrameTracks | None = None

    def saw(self, tracks: FrameTracks) -> None:
        """Take the tracks of a frame that was looked at, ids as of the tracker."""
        self._before, self._last = self._last, tracks

    def at(self, frame: FrameInfo) -> FrameTracks:
        """The tracks where they would be in a later frame, without embeddings; none where it is too late."""
        last = self._last
        passed = -1.0 if last is None else frame.time - last.frame.time
        if last is None or not 0 <= passed <= LONGEST:
            nothing = np.zeros(0, np.int64)
            none = np.zeros((0, 0 if last is None else last.embeddings.shape[1]), np.float32)
            boxes, scores = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
            return FrameTracks(frame, nothing, nothing, boxes, scores, embeddings=none)
        width, height = frame.size
        limits = np.array([width, height, width, height], np.float32)
        carried = (last.xyxy + _velocity(self._before, last) * np.float32(passed)).clip(0, limits).astype(np.float32)
        inside = ((carried[:, 2:] - carried[:, :2]) >= 1).all(axis=1)
        boxes, ids, scores = carried[inside], last.ids[inside], last.scores[inside]
        embeddings = np.full((len(ids), last.embeddings.shape[1]), np.nan, np.float32)
        seen = Detections(boxes, scores)  # whoever hides people hides them here too
        return FrameTracks(frame, ids, np.zeros(len(ids), np.int64), boxes, scores, seen, embeddings)


def _velocity(before: FrameTracks | None, last: FrameTracks) -> Floats:
    """(N, 4) pixels per second that each side of the `last` boxes moved; 0 for who was not there before."""
    velocity = np.zeros((len(last), 4), np.float32)
    passed = 0.0 if before is None else last.frame.time - before.frame.time
    if before is not None and 0 < passed <= LONGEST and len(before):
        order = np.argsort(before.ids)
        place = order[np.searchsorted(before.ids[order], last.ids).clip(max=len(order) - 1)]
        known = before.ids[place] == last.ids
        velocity[known] = (last.xyxy[known] - before.xyxy[place[known]]) / np.float32(passed)
    return velocity
