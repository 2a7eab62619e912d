"""Whether a new track takes up the motion of a lost one in one camera's picture; `Floor.continuation`: over cameras."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.tracklets import TrackletTable
from relaytrack.trackers.identities.types import Floats, Ints

Doubles = NDArray[np.float64]


def continuation(table: TrackletTable, one: Ints, other: Ints, horizon: float) -> Floats:
    """(P,) evidence that one track takes up another's motion, of pairs of tracks of one camera, (P,) slots each.

    The place where a person is expected `gap` seconds after its last box is normal around the box moved on by
    a part of its velocity, with a deviation of 0.4 + 0.5 gap box heights; a stranger's place is uniform over
    the picture. Box heights must agree within about a fifth per axis. Pairs of tracks that overlap in time, or are
    further apart than `horizon` seconds, give 0; far-off places are bounded at -1.
    """
    out = np.zeros(len(one), np.float32)
    start, starts = table.start[one], table.start[other]
    wait = np.maximum(starts - table.last[one], start - table.last[other])
    near = (wait > 0) & (wait <= horizon)
    one, other = one[near], other[near]
    later = starts[near] >= start[near]
    out[near] = _nats(table, np.where(later, one, other), np.where(later, other, one), wait[near])
    return out


def _nats(table: TrackletTable, ended: Ints, begun: Ints, wait: Doubles) -> Floats:
    """(P,) evidence that tracks take up others, (P,) each, `wait` (P,) seconds after their last box."""
    old, new = table.last_box[ended], table.first_box[begun]
    gap = wait.astype(np.float32)
    tall, small = np.maximum(old[:, 3] - old[:, 1], 1), np.maximum(new[:, 3] - new[:, 1], 1)
    height = np.maximum((old[:, 3] - old[:, 1]) + (new[:, 3] - new[:, 1]), 2.0) / 2
    deviation = 0.4 + 0.5 * gap
    carried = 0.7 * np.minimum(gap, 2.0)
    here, there, speed = middle(old), middle(new), table.velocity[ended].astype(np.float32)
    squared = np.zeros_like(gap)
    for axis in (0, 1):
        squared += (there[:, axis] - (here[:, axis] + carried * speed[:, axis])) ** 2
    squared /= (height * deviation) ** 2
    scale = (np.log(small) - np.log(tall)) / np.float32(0.25)
    camera = table.camera[ended]
    picture = (table.extent[camera] - table.corner[camera]).prod(axis=1).astype(np.float32)
    area = np.maximum(picture / height**2, 10.0)
    nats = np.log(area / (2 * np.pi * deviation**2)) - 0.5 * squared - 0.5 * np.minimum(scale**2, 16)
    return np.asarray(np.where(np.isfinite(nats), np.clip(nats, -1.0, 6.0), 0.0), np.float32)


def middle(boxes: Floats) -> Floats:
    """(N, 2) centres of boxes (N, 4)."""
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float32)
