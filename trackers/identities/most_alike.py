"""The greatest similarities of each row among the columns of each of several groups."""

from __future__ import annotations

import numpy as np

from relaytrack.trackers.identities.types import Floats, Ints

_ROWS = 32  # rows worked on together: what is read of them stays in the processor's cache


def most_alike(values: Floats, places: Ints, begins: Ints, numbers: Ints, most: int) -> Floats:
    """(N, G, most) the greatest values of each row among the columns of each of G groups, the greatest first.

    Args:
        values: (N, S).
        places: columns, group after group.
        begins: (G,) where in `places` each group begins.
        numbers: (G,) how many columns it has, `most` at least.
        most: how many are taken.
    """
    within = np.arange(int(numbers.max()))
    missing = within >= numbers[:, None]  # groups are filled up to the size of the largest
    columns = places[np.minimum(begins[:, None] + within, len(places) - 1)]
    out = np.empty((len(values), len(begins), most), np.float32)
    for begin in range(0, len(values), _ROWS):
        part = values[begin : begin + _ROWS].take(columns.reshape(-1), axis=1)
        part[:, np.flatnonzero(missing)] = -np.inf
        part = part.reshape(len(part), *columns.shape)
        part.partition(columns.shape[1] - most, axis=2)
        out[begin : begin + _ROWS] = np.sort(part[:, :, columns.shape[1] - most :], axis=2)[:, :, ::-1]
    return out
