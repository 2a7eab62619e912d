"""All pairs of two lists that have one value in common, without a matrix of all pairs."""

from __future__ import annotations

import numpy as np

from relaytrack.trackers.identities.types import Ints


def equal_pairs(values: Ints, others: Ints) -> tuple[Ints, Ints]:
    """Rows and columns, (P,) each, of all pairs of equal values, row by row.

    Args:
        values: (N,) of the rows, such as the tracks' cameras or identities.
        others: (M,) of the columns.
    """
    order = np.argsort(others, kind="stable")
    begins, ends = (np.searchsorted(others[order], values, side=side) for side in ("left", "right"))
    number = ends - begins
    rows = np.repeat(np.arange(len(values)), number)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(number) - number, number)
    return rows, order[np.repeat(begins, number) + within]
