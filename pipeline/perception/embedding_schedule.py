"""Who needs an embedding in a frame: everybody but people in the open whose looks have just been taken.

Somebody who walks by himself is known by his place from frame to frame; his looks settle nothing there. A box needs no
embedding when

* it is **in the open**: no other box of the frame, however faint, touches it, nor did in the last `APART` seconds;
* it was **followed without doubt** for `SETTLED` seconds and `FOLLOWED` frames: each time it overlapped one box of the
  frame before by `SAME` or more and that box no other one, so that the tracker and the association have seen enough
  of it to decide;
* its **last embedding** is younger than the interval.

Somebody who meets others, appears or comes back is embedded in every frame. While there is too little time
(`sparing`, set by `Effort`) everybody is embedded half as often: people in the open after two intervals, others in
every second frame. What is decided depends on the boxes and times of one camera's frames alone.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.records import Floats, Ints
from relaytrack.trackers.boxes import iou

SETTLED, FOLLOWED = 1.0, 5
"""Seconds and frames for which a box is followed before embeddings are left out."""
APART = 0.4
"""Seconds after a meeting in which those who met are embedded."""
SAME = 0.3
"""Intersection over union from which a box continues one of the frame before."""
LONGEST = 0.6
"""Seconds between two frames from which nobody is followed."""
_CAMERAS = 1000
_TICK = 1e-3

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Followed:
    """The boxes (N, 4) of a camera's last frame.

    Attributes:
        time: of the frame, seconds.
        boxes: (N, 4) pixels.
        since: (N,) when each was first followed.
        frames: (N,) in how many frames it was.
        met: (N,) when another one last touched it.
        embedded: (N,) when it was last embedded.
    """

    time: float
    boxes: Floats
    since: Doubles
    frames: Ints
    met: Doubles
    embedded: Doubles


class EmbeddingSchedule:
    """Chooses whom to embed, camera by camera. Several threads may ask, each camera's frames in order.

    Attributes:
        interval: seconds between two embeddings of somebody in the open; 0 embeds everybody in every frame.
        sparing: embed half as often; may be changed at any time.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.sparing = False
        self._cameras: dict[str, _Followed] = {}
        self._busy = threading.Lock()

    def choose(self, camera: str, time: float, boxes: Floats, usable: Bools) -> Bools:
        """Say which people of a frame to embed.

        Args:
            camera: the camera's name.
            time: of the frame, seconds.
            boxes: (N, 4) xyxy pixels, all of the frame's.
            usable: (N,) which may be embedded at all.

        Returns:
            (N,) True for those that are to be.
        """
        with self._busy:
            before = self._cameras.pop(camera, None)
            wanted, now = self._follow(before, time, boxes)
            wanted &= usable
            now.embedded[wanted] = time
            self._cameras[camera] = now
            if len(self._cameras) > _CAMERAS:
                del self._cameras[next(iter(self._cameras))]
        return wanted

    def _follow(self, before: _Followed | None, time: float, boxes: Floats) -> tuple[Bools, _Followed]:
        count = len(boxes)
        since, frames = np.full(count, time), np.ones(count, np.int64)
        met, embedded = np.full(count, -np.inf), np.full(count, -np.inf)
        passed = np.inf if before is None else time - before.time
        if before is not None and 0 < passed <= LONGEST and count and len(before.boxes):
            rows, old = _continued(before.boxes, boxes)
            since[rows], frames[rows] = before.since[old], before.frames[old] + 1
            met[rows], embedded[rows] = before.met[old], before.embedded[old]
        met[~_in_the_open(boxes)] = time
        known = (time - since >= SETTLED - _TICK) & (frames >= FOLLOWED) & (time - met >= APART - _TICK)
        interval = 2 * self.interval if self.sparing else self.interval
        wanted = ~known | (time - embedded >= interval - _TICK)
        if self.sparing and before is not None:
            if passed > LONGEST:  # nobody is followed: every second frame is left out
                wanted &= not (before.embedded == before.time).any()
            else:
                wanted &= embedded != before.time
        return wanted, _Followed(time, boxes, since, frames, met, embedded)


def _continued(before: Floats, boxes: Floats) -> tuple[Ints, Ints]:
    """Rows of `boxes` (N, 4) that continue one of `before` (M, 4) beyond doubt, and the rows of those."""
    same = iou(boxes, before) >= SAME
    alone = (same.sum(axis=1) == 1)[:, None] & (same.sum(axis=0) == 1)[None]
    rows, old = np.nonzero(same & alone)
    return rows, old


def _in_the_open(boxes: Floats) -> Bools:
    """(N,) boxes that no other one touches."""
    touching = iou(boxes, boxes) > 0
    np.fill_diagonal(touching, val=False)
    return np.asarray(~touching.any(axis=1), bool)
