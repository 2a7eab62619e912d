"""Gaps of finished tracks filled by straight lines over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers.errors import TrackerError
from relaytrack.trackers.evaluation import MotRows, rows_from_arrays
from relaytrack.trackers.refine import fill_gaps

CLOCK = np.arange(30) / 10


def test_straight_line_in_time() -> None:
    """With an uneven clock the box is where the time says, not the count of frames."""
    rows = rows_from_arrays([1, 4], [7, 7], [[0, 0, 10, 20], [30, 60, 50, 100]], [0.9, 0.5])
    found, added = fill_gaps(rows, [0.0, 0.1, 0.4, 1.0])
    assert found.frames.tolist() == [1, 2, 3, 4]
    assert added.tolist() == [False, True, True, False]
    assert found.ids.tolist() == [7] * 4
    np.testing.assert_allclose(found.xywh[1:3], [[3, 6, 11, 22], [12, 24, 14, 28]])
    np.testing.assert_allclose(found.scores, [0.9, 0.5, 0.5, 0.5])


def test_only_short_gaps_within_one_track() -> None:
    rows = rows_from_arrays([1, 5, 5, 17, 8], [1, 1, 2, 1, 3], np.tile([0, 0, 5, 5], (5, 1)))
    found, added = fill_gaps(rows, CLOCK, max_gap=0.4)
    assert found.frames[added].tolist() == [2, 3, 4]
    assert found.ids[added].tolist() == [1, 1, 1]
    assert fill_gaps(rows, CLOCK, max_gap=0.39)[1].sum() == 0
    assert fill_gaps(rows, CLOCK, max_gap=1.2)[1].sum() == 3 + 11


def test_errors_and_nothing() -> None:
    rows = rows_from_arrays([31], [1], [[0, 0, 5, 5]])
    with pytest.raises(TrackerError, match="frame 31 lies past the clock's 30 frames"):
        fill_gaps(rows, CLOCK)
    with pytest.raises(TrackerError, match="at least 0 seconds"):
        fill_gaps(rows, np.arange(40), max_gap=float("nan"))
    none: MotRows = rows.select(np.zeros(0, np.int64))
    assert len(fill_gaps(none, CLOCK)[0]) == 0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3)), unique=True, max_size=40), st.floats(0, 3))
def test_originals_stay_and_boxes_stay_between(pairs: list[tuple[int, int]], max_gap: float) -> None:
    table = np.array(sorted(pairs), np.float64).reshape(-1, 2)
    corner = np.c_[table[:, 0] ** 2, 10 * table[:, 1]]
    rows = rows_from_arrays(table[:, 0], table[:, 1], np.c_[corner, corner + 5])
    found, added = fill_gaps(rows, CLOCK, max_gap)
    kept = found.select(~added)
    np.testing.assert_array_equal(kept.ids, rows.ids)
    np.testing.assert_array_equal(kept.xywh, rows.xywh)
    assert len({*zip(found.frames.tolist(), found.ids.tolist(), strict=True)}) == len(found)
    for name in np.unique(found.ids):
        own = found.select(found.ids == name)
        assert (np.diff(own.xywh[:, 0]) > 0).all()
