"""Taking up the motion of a lost track, in one camera's picture or on the floor of calibrated cameras."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackers.identities.tracklets import TrackletTable
from trackers.identities.types import Floats, Ints

Doubles = NDArray[np.float64]


def continuation(table: TrackletTable, slots: Ints, others: Ints, horizon: float) -> Floats:
    """(N, M) evidence in nats that one track takes up another's motion in the same camera's picture.

    The place where a person is expected `gap` seconds after its last box is normal around the box moved on by
    a part of its velocity, with a deviation of 0.4 + 0.5 gap box heights; a stranger's place is uniform over
    the picture. Box heights must agree within about a fifth per axis. Pairs of different cameras, of tracks
    that overlap in time, or further apart than `horizon` seconds give 0; far-off places are bounded at -1.
    """
    row, column = slots[:, None], others[None, :]
    same = table.camera[row] == table.camera[column]
    later = table.start[column] >= table.start[row]
    gap = np.where(later, table.start[column] - table.last[row], table.start[row] - table.last[column])
    out = np.zeros(same.shape, np.float32)
    first, second = np.nonzero(same & (gap > 0) & (gap <= horizon))
    if len(first) == 0:
        return out
    a, b = slots[first], others[second]
    swap = ~later[first, second]
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    wait = gap[first, second]
    old, new = table.last_box[a].astype(np.float64), table.first_box[b].astype(np.float64)
    height = np.maximum((old[:, 3] - old[:, 1] + new[:, 3] - new[:, 1]) / 2, 1.0)
    reach = np.minimum(wait, 2.0)[:, None]
    expected = middle(old) + 0.7 * reach * table.velocity[a]
    deviation = 0.4 + 0.5 * wait
    squared = (((middle(new) - expected) / height[:, None]) ** 2).sum(axis=1) / deviation**2
    scale = np.log(np.maximum(new[:, 3] - new[:, 1], 1) / np.maximum(old[:, 3] - old[:, 1], 1)) / 0.25
    area = np.maximum(table.extent[table.camera[a]].prod(axis=1) / height**2, 10.0)
    nats = np.log(area / (2 * np.pi * deviation**2)) - 0.5 * squared - 0.5 * np.minimum(scale**2, 16)
    out[first, second] = np.where(np.isfinite(nats), np.clip(nats, -1.0, 6.0), 0.0)
    return out


def middle(boxes: Doubles) -> Doubles:
    """(N, 2) centres of boxes (N, 4)."""
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float64)
