"""Whether a new track continues the motion of a lost one, in one camera's picture or on the common floor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.tracklets import TrackletTable
from relaytrack.trackers.identities.types import Floats, Ints

Doubles = NDArray[np.float64]


def continuation(table: TrackletTable, slots: Ints, others: Ints, horizon: float) -> Floats:
    """(N, M) evidence in nats that one track takes up another's motion in the same camera's picture.

    The place where a person is expected `gap` seconds after its last box is normal around the box moved on by
    a part of its velocity, with a deviation of 0.4 + 0.5 gap box heights; a stranger's place is uniform over
    the picture. Box heights must agree within about a fifth per axis. Pairs of different cameras, of tracks
    that overlap in time, or further apart than `horizon` seconds give 0; far-off places are bounded at -1.
    """
    out = np.zeros((len(slots), len(others)), np.float32)
    for camera in np.intersect1d(table.camera[slots], table.camera[others]).tolist():
        rows = np.flatnonzero(table.camera[slots] == camera)
        columns = np.flatnonzero(table.camera[others] == camera)
        out[np.ix_(rows, columns)] = _same_camera(table, slots[rows], others[columns], horizon)
    return out


def _same_camera(table: TrackletTable, slots: Ints, others: Ints, horizon: float) -> Floats:
    """The same for tracks of one camera."""
    wait = np.maximum(
        table.start[others][None, :] - table.last[slots][:, None],
        table.start[slots][:, None] - table.last[others][None, :],
    )
    near = (wait > 0) & (wait <= horizon)
    out = np.zeros(near.shape, np.float32)
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    if len(rows) == 0:
        return out
    block = np.ix_(rows, columns)
    slots, others, near, wait = slots[rows], others[columns], near[block], wait[block]
    later = table.start[others][None, :] >= table.start[slots][:, None]
    found = np.zeros(near.shape, np.float32)
    if (near & later).any():
        found = np.where(near & later, _nats(table, slots, others, wait), found)
    if (near & ~later).any():
        found = np.where(near & ~later, _nats(table, others, slots, wait.T).T, found)
    out[block] = found
    return out


def _nats(table: TrackletTable, ended: Ints, begun: Ints, wait: Doubles) -> Floats:
    """(N, M) evidence that tracks M take up tracks N, `wait` (N, M) seconds after their last box."""
    old, new = table.last_box[ended], table.first_box[begun]
    gap = np.maximum(wait, 0).astype(np.float32)  # of tracks seen at the same time nothing is asked
    tall, small = np.maximum(old[:, 3] - old[:, 1], 1), np.maximum(new[:, 3] - new[:, 1], 1)
    height = np.maximum((old[:, 3] - old[:, 1])[:, None] + (new[:, 3] - new[:, 1])[None, :], 2.0) / 2
    deviation = 0.4 + 0.5 * gap
    carried = 0.7 * np.minimum(gap, 2.0)
    here, there, speed = middle(old), middle(new), table.velocity[ended].astype(np.float32)
    squared = np.zeros_like(gap)
    for axis in (0, 1):
        moved = here[:, axis, None] + carried * speed[:, axis, None]
        squared += (there[None, :, axis] - moved) ** 2
    squared /= (height * deviation) ** 2
    scale = (np.log(small)[None, :] - np.log(tall)[:, None]) / np.float32(0.25)
    camera = table.camera[ended]
    picture = (table.extent[camera] - table.corner[camera]).prod(axis=1).astype(np.float32)
    area = np.maximum(picture[:, None] / height**2, 10.0)
    nats = np.log(area / (2 * np.pi * deviation**2)) - 0.5 * squared - 0.5 * np.minimum(scale**2, 16)
    return np.asarray(np.where(np.isfinite(nats), np.clip(nats, -1.0, 6.0), 0.0), np.float32)


def middle(boxes: Floats) -> Floats:
    """(N, 2) centres of boxes (N, 4)."""
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float32)
