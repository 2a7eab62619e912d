"""Streams that come in pieces are played as their stamps say."""

from __future__ import annotations

import pytest

from relaytrack.pipeline.sources.pace import Pace


def test_pictures_that_come_at_once_are_due_one_after_the_other() -> None:
    pace = Pace()
    assert [pace.due(100.0 + 0.1 * n, 5.0) for n in range(4)] == pytest.approx([5.0, 5.1, 5.2, 5.3])


def test_what_is_late_is_due_at_once_and_the_rest_follows_it() -> None:
    pace = Pace()
    assert pace.due(0.0, 5.0) == 5.0
    assert pace.due(0.1, 9.0) == 9.0
    assert pace.due(0.2, 9.0) == pytest.approx(9.1)


@pytest.mark.parametrize("stamp", [1e6, -3.0])
def test_a_jump_of_the_stamps_is_no_pause(stamp: float) -> None:
    pace = Pace()
    pace.due(0.0, 5.0)
    assert pace.due(stamp, 5.0) == 5.0


def test_what_was_seen_over_the_last_connection_is_known() -> None:
    pace = Pace()
    assert not pace.is_seen(50.0)
    for stamp in (50.0, 51.0, 52.0):
        pace.due(stamp, 0.0)
    pace.begin()
    assert [pace.is_seen(stamp) for stamp in (50.0, 51.0, 52.0, 53.0, 51.0)] == [True, True, True, False, False]
    pace.due(53.0, 0.0)
    pace.begin()
    assert not pace.is_seen(-900.0), "a stream that begins anew"
    assert not pace.is_seen(53.0)
