"""Settings of the tracker and of the association at their bounds: they work, or are refused in one line.

Warnings are errors in these tests: what divides by nothing or leaves the range of its type fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import Field, fields, replace
from typing import Any

import numpy as np
import pytest

from relaytrack.trackers import (
    CameraTracks,
    DeepSort,
    DeepSortParams,
    GroundPlane,
    IdentityAssociator,
    IdentityParams,
    TrackerInputError,
)

Crowd = Callable[..., list[Any]]
NUMBERS = (0.0, 1e-300, 1e-12, 1.0, 1e6, 1e9, 1e300, -1.0, -1e300)
COUNTS = (1, 2, 10**9, 10**30)
CHOICES = {
    "association": ("joint", "cascade"),
    "kalman": ("batched", "filterpy"),
    "method": ("joint", "appearance"),
    "normalise": ("cohort", "centre", "none"),
}
WAYS = ((), (("a", "b", 0.0, 0.0),), (("a", "b", -1e300, 1e300),), (("a", "a", 5.0, 6.0),), (("x", "y", 0.0, np.inf),))
TRACKERS: dict[str, dict[str, Any]] = {
    "default": {},
    "classic": {"association": "cascade", "kalman": "filterpy"},
    "faint": {"moving_track_thresh": 0.3, "upright_track_thresh": 0.2, "track_low_time": 1.0, "report_coasting": True},
}
ASSOCIATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "appearance": {"method": "appearance"},
    "small": {"window": 6, "horizon": 3.0, "revise_every": 0.3, "refine": True},
}


def values(field: Field[Any]) -> Sequence[Any]:
    """What a setting is tried with."""
    if field.name == "travel_times":
        return WAYS
    if field.name in CHOICES:
        return CHOICES[field.name]
    if isinstance(field.default, bool):
        return (True, False)
    return COUNTS if isinstance(field.default, int) else NUMBERS


def made(kind: Callable[..., Any], name: str, value: Any, base: dict[str, Any]) -> Any:
    """A tracker or an association with a setting changed; None where it is refused in one line that names it."""
    try:
        return kind(**{**base, name: value})
    except TrackerInputError as error:
        told = str(error)
    assert name in told
    assert "\n" not in told
    return None


@pytest.fixture(scope="module")
def shots(crowd: Crowd) -> list[Any]:
    """A crowd at 10 frames per second, a gap longer than `max_age`, and the crowd at 2 frames per second."""
    slow = crowd(7, people=5, frames=8, fps=2.0)
    return crowd(7, people=5, frames=25, found=0.8) + [replace(shot, time=shot.time + 11.0) for shot in slow]


@pytest.mark.parametrize("base", TRACKERS)
@pytest.mark.parametrize("field", fields(DeepSortParams), ids=lambda field: field.name)
def test_a_trackers_setting(field: Field[Any], base: str, shots: list[Any]) -> None:
    for value in values(field):
        tracker = made(DeepSort, field.name, value, TRACKERS[base])
        if tracker is None:
            continue
        for shot in shots:
            found = tracker.update(shot.xyxy, shot.scores, shot.embeddings, shot.time)
            earlier = tracker.pop_backfill()
            assert np.isfinite(found.xyxy).all()
            assert np.isfinite(earlier.xyxy).all()
            assert len(set(found.ids.tolist())) == len(found)


@pytest.mark.parametrize("base", ASSOCIATIONS)
@pytest.mark.parametrize("field", fields(IdentityParams), ids=lambda field: field.name)
def test_an_associations_setting(field: Field[Any], base: str, shots: list[Any]) -> None:
    floor = {camera: GroundPlane(np.diag([0.01, 0.01, 1.0])) for camera in "ab"}
    for value in values(field):
        run = made(IdentityAssociator, field.name, value, {**ASSOCIATIONS[base], "calibrations": floor})
        if run is None:
            continue
        for step, shot in enumerate(shots):
            views = [view(camera, shot, 100 * (step // 12)) for camera in ("abc" if step % 3 else "ab")]
            for ids in run.update(views).global_ids:
                assert (ids > 0).all()
        assert all(identity > 0 for identity in run.finalize().values())


def view(camera: str, shot: Any, offset: int) -> CameraTracks:
    """The people of a shot, as a camera's tracks; every twelfth step they get new track ids."""
    people = shot.people >= 0
    ids = shot.people[people] + 1 + offset
    return CameraTracks(camera, shot.time, ids, shot.xyxy[people], shot.scores[people], shot.embeddings[people])


@pytest.mark.parametrize(
    ("kind", "name", "value", "told"),
    [
        (DeepSortParams, "budget", 10**6, "budget must be at most 10000, not 1000000"),
        (DeepSortParams, "max_age", 1e300, r"max_age must be at most 1e\+09, not 1e\+300"),
        (DeepSortParams, "match_score", -1e300, r"match_score must be at least -1e\+09"),
        (DeepSortParams, "low_iou", 1.5, "low_iou must be at most 1, not 1.5"),
        (IdentityParams, "bank", 10**6, "identities.bank: must be at most 1000, not 1000000"),
        (IdentityParams, "gallery", 10**6, "identities.gallery: must be at most 10000"),
        (IdentityParams, "min_quality", 1.5, "identities.min_quality: must be at most 1, not 1.5"),
        (IdentityParams, "margin", -1e300, r"identities.margin: must be at least -1e\+09"),
    ],
)
def test_senseless_values_are_refused(kind: Callable[..., Any], name: str, value: float, told: str) -> None:
    with pytest.raises(TrackerInputError, match=told):
        kind(**{name: value})
