"""Which ordered pairs of cameras have travel times of their own, and what was counted of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.types import Ints

FEW_CAMERAS = 64
"""Cameras up to which each ordered pair has ratios of its own; among more, pairs of which something is known."""
_LIKELY = 0.5
"""People expected between two cameras from which on it counts that there were none."""


def pairs_apart(
    cameras: int, same: Ints, everything: Ints, rate: float, cells: int
) -> tuple[Ints, NDArray[np.int32] | None]:
    """The ordered pairs of cameras that get ratios of their own, and where in that list each of all pairs is.

    Of few cameras, all do. Of many, those between which a person was followed, or could have been if people went as
    often between all. One more entry stands for a pair that does not exist, of which nothing is known: the other pairs
    share its ratios, and so do cameras that came since.

    Args:
        cameras: their number.
        same: cells of people's gaps, in order.
        everything: cells of all gaps, in order.
        rate: people's gaps for each of all gaps.
        cells: of each pair of cameras.

    Returns:
        the pairs (P,) as numbers `from * cameras + to`, `cameras` squared for the one that does not exist; and the
        place in them of each number up to that (cameras^2 + 1,), None where the numbers themselves are the places.
    """
    count = cameras * cameras
    if cameras <= FEW_CAMERAS:
        return np.arange(count + 1), None
    wanted = np.bincount(everything // cells, minlength=count) * rate >= _LIKELY
    wanted[same // cells] = True
    pairs = np.flatnonzero(wanted)
    row = np.zeros(count + 1, np.int32)
    row[pairs] = np.arange(1, len(pairs) + 1)
    return np.concatenate([[count], pairs]), row


def counted(pairs: Ints, numbers: Ints, cells: int) -> Ints:
    """(P, cells) how often each cell of these pairs of cameras (P,) occurs in `numbers`, which are in order."""
    begins = np.searchsorted(numbers, pairs * cells)
    number = np.searchsorted(numbers, (pairs + 1) * cells) - begins
    place = np.repeat(np.arange(len(pairs)), number)
    within = np.arange(len(place)) - np.repeat(np.cumsum(number) - number, number)
    found = numbers[np.repeat(begins, number) + within] - pairs[place] * cells + place * cells
    return np.bincount(found, minlength=len(pairs) * cells)
