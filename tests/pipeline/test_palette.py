"""Colours of identities: CIEDE2000, the palette, and people who are seen together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory import held_bytes

from relaytrack.pipeline import palette as palette_module
from relaytrack.pipeline.palette import IdentityColors, Rgb, color_distance, identity_color, palette, to_lab


def _distance(one: Rgb, other: Rgb) -> float:
    return float(color_distance(to_lab(np.array(one, float)), to_lab(np.array(other, float))))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [  # Sharma, Wu and Dalal (2005), table 1: pairs 1, 6, 7, 17, 19 and 34
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((50.0, 2.5, 0.0), (56.0, -27.0, -3.0), 31.9030),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_ciede2000_is_that_of_the_published_table(
    one: tuple[float, float, float], other: tuple[float, float, float], expected: float
) -> None:
    assert color_distance(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)
    assert color_distance(np.array(other), np.array(one)) == pytest.approx(expected, abs=1e-4)


def test_lab_of_known_colors() -> None:
    np.testing.assert_allclose(to_lab(np.array([255.0, 255.0, 255.0])), [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(to_lab(np.array([255.0, 0.0, 0.0])), [53.24, 80.09, 67.20], atol=0.05)


@pytest.mark.parametrize(("count", "least"), [(8, 30.0), (12, 24.0), (16, 19.0), (24, 15.0)])
def test_the_first_identities_differ_most(count: int, least: float) -> None:
    colors = [identity_color(identity) for identity in range(1, count + 1)]
    assert min(_distance(one, other) for one, other in itertools.combinations(colors, 2)) > least


@given(st.lists(st.integers(1, 100_000), min_size=2, max_size=8, unique=True))
def test_people_seen_together_differ_clearly(people: list[int]) -> None:
    colors = IdentityColors()
    for time, identity in enumerate(people):
        colors.see(float(time), people[: time + 1])
        assert identity in people
    given = [colors.of(identity) for identity in people]
    assert min(_distance(one, other) for one, other in itertools.combinations(given, 2)) > 18


def test_colours_stay_and_are_the_usual_ones_where_nobody_is_near() -> None:
    colors, same = IdentityColors(), len(palette())
    colors.see(0.0, [1])
    colors.see(1.0, [1, 1 + same])
    assert colors.of(1) == identity_color(1)
    assert colors.of(1 + same) != identity_color(1)
    kept = colors.of(1 + same)
    colors.see(100.0, [1 + same])
    assert colors.of(1 + same) == kept
    colors.see(200.0, [1 + 2 * same])
    assert colors.of(1 + 2 * same) == identity_color(1)
    assert IdentityColors({1 + same: kept}).of(1 + same) == kept


def test_who_came_first_does_not_depend_on_the_order_within_a_moment() -> None:
    one, other = IdentityColors(), IdentityColors()
    one.see(0.0, [25, 1, 49])
    other.see(0.0, [49, 25, 1])
    assert [one.of(n) for n in (1, 25, 49)] == [other.of(n) for n in (1, 25, 49)]


def test_colors_of_many_people_take_little_memory() -> None:
    """Fault: every person of a run had an entry, though nearly all have their number's usual colour."""

    def run() -> IdentityColors:
        colors = IdentityColors()
        for identity in range(1, 3001):
            colors.see(20.0 * identity, [identity])
        return colors

    assert held_bytes(run) < 20_000
    assert run().of(2999) == identity_color(2999)


def test_an_unusual_color_is_kept_and_given_once() -> None:
    colors = IdentityColors()
    colors.see(0.0, [1, 25])  # the palette begins anew with 25
    unusual = colors.of(25)
    assert unusual != identity_color(25)
    colors.see(100.0, [25])
    colors.see(200.0, [1, 25])
    assert colors.of(25) == unusual


def test_colours_beside_are_those_of_everybody_seen_in_the_last_ten_seconds():
    rng, colors, seen, met = np.random.default_rng(4), IdentityColors(), {}, set()
    for step in range(300):
        time, people = step * 0.7, {int(one) for one in rng.integers(1, 40 + step, rng.integers(0, 12))}
        beside = {colors.of(one) for one, last in seen.items() if one in met and (last >= time - 10 or one in people)}
        expected = {}
        for one in sorted(people - met):
            expected[one] = palette_module._apart(identity_color(one), tuple(sorted(beside)))
            beside.add(expected[one])
        colors.see(time, people)
        seen |= dict.fromkeys(people, time)
        met |= people
        assert {one: colors.of(one) for one in expected} == expected
        assert colors._worn.keys() == colors._seen.keys()
