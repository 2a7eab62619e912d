"""Carrying boxes on over frames in which nobody was looked for: as far as they moved in the frames before."""

from __future__ import annotations

import numpy as np

from relaytrack.pipeline.records import Detections, Floats, FrameInfo, FrameTracks, Ints

LONGEST = 0.6
"""Seconds over which boxes are carried; beyond that nobody knows where they are."""


class CarriedBoxes:
    """The tracks of the last frame that was looked at, and how fast they move."""

    def __init__(self) -> None:
        self._time = -np.inf
        self._ids: Ints = np.zeros(0, np.int64)
        self._boxes: Floats = np.zeros((0, 4), np.float32)
        self._scores: Floats = np.zeros(0, np.float32)
        self._velocity: Floats = np.zeros((0, 4), np.float32)  # pixels per second
        self._width = 0

    def saw(self, tracks: FrameTracks) -> None:
        """Take the tracks of a frame that was looked at, ids as of the tracker."""
        passed = tracks.frame.time - self._time
        velocity = np.zeros((len(tracks), 4), np.float32)
        if 0 < passed <= LONGEST and len(self._ids):
            order = np.argsort(self._ids)
            place = order[np.searchsorted(self._ids[order], tracks.ids).clip(max=len(order) - 1)]
            known = self._ids[place] == tracks.ids
            velocity[known] = (tracks.xyxy[known] - self._boxes[place[known]]) / np.float32(passed)
        self._time, self._ids, self._boxes, self._scores = tracks.frame.time, tracks.ids, tracks.xyxy, tracks.scores
        self._velocity, self._width = velocity, tracks.embeddings.shape[1]

    def at(self, frame: FrameInfo) -> FrameTracks:
        """The tracks where they would be in a later frame, without embeddings; none where it is too late."""
        passed = frame.time - self._time
        if not 0 <= passed <= LONGEST:
            nothing = np.zeros(0, np.int64)
            none = np.zeros((0, self._width), np.float32)
            return FrameTracks(frame, nothing, nothing, self._boxes[:0], self._scores[:0], embeddings=none)
        width, height = frame.size
        limits = np.array([width, height, width, height], np.float32)
        boxes: Floats = (self._boxes + self._velocity * np.float32(passed)).clip(0, limits).astype(np.float32)
        inside = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)
        boxes, ids, scores = boxes[inside], self._ids[inside], self._scores[inside]
        embeddings = np.full((len(ids), self._width), np.nan, np.float32)
        seen = Detections(boxes, scores)  # whoever hides people hides them here too
        return FrameTracks(frame, ids, np.zeros(len(ids), np.int64), boxes, scores, seen, embeddings)
