"""Tables and sets of runs that last for months."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaytrack.pipeline.remembered import NumberSet, RecentMap


def test_what_is_not_used_is_forgotten_and_what_is_used_stays() -> None:
    table = RecentMap[str, int](10.0)
    table["left"], table["asked"], table["set"] = 1, 2, 3
    for now in range(60):
        table.pass_time(float(now))
        assert table.get("asked") == 2
        table["set"] = now
        if now < 10:
            assert "left" in table, "at least as long as was said"
        if now >= 20:
            assert "left" not in table
    assert dict(table.items()) == {"asked": 2, "set": 59}
    assert len(table) == 2


def test_a_long_pause_forgets_all() -> None:
    table = RecentMap[str, int](10.0)
    table.pass_time(0.0)
    table["a"] = 1
    table.pass_time(25.0)
    assert len(table) == 0
    assert table.get("a") is None
    assert table.get("a", 7) == 7


def test_entries_are_taken_out_and_missing_ones_told() -> None:
    table = RecentMap[str, int](10.0)
    table.pass_time(0.0)
    table["a"], table["b"], table["c"] = 1, 2, 3
    table.pass_time(12.0)
    table["d"] = 4
    assert table.pop("a") == 1
    assert table.pop("a") is None
    assert dict(table.items()) == {"b": 2, "c": 3, "d": 4}
    assert table["c"] == 3
    with pytest.raises(KeyError):
        table["a"]


@given(st.sets(st.integers(-3000, 5000)), st.integers(-3000, 5000))
def test_a_number_set_is_a_set(numbers: set[int], other: int) -> None:
    found = NumberSet(numbers)
    assert len(found) == len(numbers)
    assert all(number in found for number in numbers)
    assert (other in found) == (other in numbers)
