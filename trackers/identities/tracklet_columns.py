"""What is known of each track in the window, as whole arrays: one row ("slot") per track."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.growing import enlarge, extended
from relaytrack.trackers.identities.types import Floats, Ints

Doubles = NDArray[np.float64]

_VELOCITY_TIME = 1.0
"""Seconds over which a track's velocity is smoothed."""
_COLUMNS = (
    "used", "camera", "track", "start", "last", "first_box", "last_box", "velocity", "frames",
    "weight", "identity",
)  # fmt: skip


class TrackletColumns:
    """The columns of the table of tracks; rows of free slots hold stale values.

    Attributes (C slots, D embedding size):
        size: C.
        used: (C,) whether the slot holds a track.
        camera: (C,) number of its camera.
        track: (C,) the camera's track id.
        start, last: (C,) seconds of the first and the latest update.
        first_box, last_box: (C, 4) pixels.
        velocity: (C, 2) pixels per second of the box's centre, smoothed over about a second.
        frames: (C,) updates.
        weight: (C,) how much quality the embeddings carry; 0: no embedding yet.
        feature: (C, D) the track's mean embedding, L2-normalised.
        identity: (C,) the identity shown; 0: none yet.
    """

    def __init__(self) -> None:
        self.size = 0
        self.used = np.zeros(0, bool)
        self.camera = np.zeros(0, np.int64)
        self.track = np.zeros(0, np.int64)
        self.start, self.last = np.zeros(0), np.zeros(0)
        self.first_box, self.last_box = np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32)
        self.velocity = np.zeros((0, 2))
        self.frames = np.zeros(0, np.int64)
        self.weight = np.zeros(0, np.float32)
        self.feature = np.zeros((0, 0), np.float32)
        self.identity = np.zeros(0, np.int64)

    def enlarge(self, size: int) -> None:
        """Make it `size` slots."""
        enlarge(self, _COLUMNS, size)
        self.feature = extended(self.feature, size)
        self.size = size

    def clear(self, slots: Ints) -> None:
        """Clear slots (N,) for new tracks."""
        for values in (self.frames, self.identity, self.weight, self.feature):
            values[slots] = 0
        self.velocity[slots] = 0

    def move(self, slots: Ints, boxes: Floats, time: Doubles) -> None:
        """Note where tracks are now, and how fast they move.

        Args:
            slots: (N,) of the tracks, none twice.
            boxes: (N, 4) xyxy pixels.
            time: (N,) seconds.
        """
        old = self.frames[slots] > 0
        self.start[slots[~old]], self.first_box[slots[~old]] = time[~old], boxes[~old]
        passed = np.where(old, time - self.last[slots], 0.0)
        moved = passed > 1e-6
        rows = slots[moved]
        step = ((boxes - self.last_box[slots])[moved].reshape(-1, 2, 2)).mean(axis=1) / passed[moved, None]
        # The first steps count fully, later ones by their share of the smoothing time.
        age = time[moved] - self.start[rows]
        gain = np.clip(passed[moved] / np.minimum(np.maximum(age, passed[moved]), _VELOCITY_TIME), 0, 1)[:, None]
        self.velocity[rows] += gain * (step - self.velocity[rows])
        self.last_box[slots], self.last[slots] = boxes, time
        self.frames[slots] += 1
