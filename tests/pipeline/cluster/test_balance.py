"""Cameras are spread by what they cost: none lost, none twice, pins kept, and no move without a clear gain."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.pipeline.cluster.balance import Place, balanced, loads
from relaytrack.pipeline.cluster.camera_costs import CostMeter, Worked
from relaytrack.pipeline.cluster.head_watch import ClusterError
from relaytrack.pipeline.perception.stage import NetworkTimes

PLACES = [Place("p0", 1.0), Place("p1", 2.0), Place("p2", 1.0, "north"), Place("p3", 1.0, "north"), Place("p4", 4.0)]


@st.composite
def sites(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, float], dict[str, str], set[str]]:
    """Where the cameras are now, what they cost, which are bound, which are fixed."""
    names = [f"c{number}" for number in range(draw(st.integers(1, 12)))]
    bind = {name: "north" for name in names if draw(st.booleans())}
    now = {
        name: draw(st.sampled_from(["p2", "p3", "lost"] if name in bind else ["p0", "p1", "p4", "lost"]))
        for name in names
    }
    cost = st.floats(0.0, 3.0, allow_subnormal=False)
    costs = {name: draw(cost) for name in names if draw(st.booleans())}
    return now, costs, bind, {name for name in names if draw(st.integers(0, 4)) == 0}


def loads_of(where: Mapping[str, str], costs: Mapping[str, float]) -> dict[str, float]:
    usual = sum(costs.values()) / len(costs) if costs else 1.0
    return loads(PLACES, where, {camera: costs.get(camera, usual) for camera in where})


@settings(deadline=None, max_examples=300)
@given(sites())
def test_every_camera_has_one_place_that_may_have_it_and_nothing_moves_twice(
    given_site: tuple[dict[str, str], dict[str, float], dict[str, str], set[str]],
) -> None:
    now, costs, bind, fixed = given_site
    found = balanced(PLACES, now, costs, bind=bind, fixed=fixed)
    assert list(found) == list(now), "none is lost, none is twice"
    bound = {place.name: place.bound for place in PLACES}
    assert all(bound[name] == bind.get(camera, "") for camera, name in found.items())
    assert all(found[camera] == now[camera] for camera in fixed if now[camera] != "lost")
    assert balanced(PLACES, found, costs, bind=bind, fixed=fixed) == found, "it does not go to and fro"
    if "lost" not in now.values():
        before, after = loads_of(now, costs), loads_of(found, costs)
        for kind in ("", "north"):
            names = [place.name for place in PLACES if place.bound == kind]
            assert max(after[name] for name in names) <= max(before[name] for name in names) + 1e-9


@settings(deadline=None, max_examples=300)
@given(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=8), st.integers(0, 255), st.integers(0, 255))
def test_a_camera_that_moved_does_not_move_back_when_costs_waver(prices: list[float], where: int, wave: int) -> None:
    places = [Place("a"), Place("b")]
    costs = {f"c{number}": price for number, price in enumerate(prices)}
    now = {name: "ab"[where >> number & 1] for number, name in enumerate(costs)}
    found = balanced(places, now, costs)
    wavering = {name: cost * (1.1 if wave >> number & 1 else 0.9) for number, (name, cost) in enumerate(costs.items())}
    moved = [name for name in now if found[name] != now[name]]
    if len(moved) == 1:
        assert balanced(places, found, wavering)[moved[0]] == found[moved[0]]


def test_a_new_program_gets_its_share_and_a_small_difference_moves_nothing() -> None:
    places = [Place("old"), Place("new")]
    found = balanced(places, dict.fromkeys("abcd", "old"), dict.fromkeys("abcd", 0.2))
    assert sorted(found.values()) == ["new", "new", "old", "old"]
    now = {"a": "old", "b": "old", "c": "new"}
    assert balanced(places, now, dict.fromkeys("abc", 0.3)) == now
    assert balanced(places, {"a": "old", "b": "old"}, {"a": 0.9, "b": 0.05}) == {"a": "old", "b": "old"}


def test_without_a_program_that_may_have_it_a_camera_is_named() -> None:
    with pytest.raises(ClusterError, match="no machine is left for camera 'a'"):
        balanced([Place("p", 1.0, "north")], {"a": "lost"}, {})


def test_the_seconds_of_a_step_are_shared_among_its_cameras() -> None:
    spent = NetworkTimes(detect=1.0, crop=0.5, embed=1.5, frames=2, crops=4)
    spent.share(["a", "b"], [3, 1])
    total = NetworkTimes(cameras={"a": 1.0})
    total.add(spent)
    assert total.cameras == pytest.approx({"a": 1.0 + 0.5 + 1.5, "b": 0.5 + 0.5})
    empty = NetworkTimes(detect=1.0, frames=1)
    empty.share(["a"], [0])
    assert empty.cameras == {"a": 1.0}


def test_the_cost_of_a_camera_counts_what_was_dropped_and_what_was_saved() -> None:
    meter = CostMeter()
    for second in range(11):
        done = {"a": Worked(0.1 * second, 5 * second, 0), "b": Worked(0.3 * second, 5 * second, 5 * second)}
        costs = meter.look(float(second), done, streams=2)
        assert bool(costs.cameras) == (second >= 3), "a few seconds are too few"
    assert costs.cameras == pytest.approx({"a": 0.1, "b": 0.6})
    assert costs.behind
    assert costs.streams == 2
    assert meter.look(11.0, {"a": Worked(1.1, 55, 0)}, saved=2.0).cameras == pytest.approx({"a": 0.2})
    quiet = meter.look(11.5, {"a": Worked(1.15, 57, 0), "new": Worked(0.1, 2, 0)})
    assert set(quiet.cameras) == {"a"}
    assert not quiet.behind
