"""What the association is given by mistake, and settings that make no sense."""

from dataclasses import replace

import numpy as np
import pytest
from support.wanderers import D, people, view

from relaytrack.trackers import CameraTracks, GroundPlane, IdentityAssociator, IdentityParams
from relaytrack.trackers.errors import TimeError, TrackerInputError


def test_bad_input_is_named():
    run = IdentityAssociator()
    good = view("door", 1.0, [1, 2])
    run.update([good])
    with pytest.raises(TimeError, match="door"):
        run.update([view("door", -5.0, [1])])
    with pytest.raises(TrackerInputError, match=r"door.*twice"):
        run.update([view("door", 1.0, [1, 1])])
    with pytest.raises(TrackerInputError, match=r"door.*xyxy"):
        run.update([CameraTracks("door", 1.0, good.ids, good.xyxy[:1], good.scores, good.embeddings)])
    run.update([view("door", 1.5, [3], people(1))])
    with pytest.raises(TrackerInputError, match=r"door.*numbers"):
        run.update([view("door", 2.0, [4], np.ones((1, 7), np.float32))])


@pytest.mark.parametrize(
    ("field", "value"),
    [("method", "magic"), ("threshold", 2.0), ("window", 0), ("horizon", -1.0), ("normalise", "x")],
)
def test_bad_settings_are_named(field, value):
    with pytest.raises(TrackerInputError, match=field):
        IdentityParams(**{field: value})


@pytest.mark.parametrize("method", ["joint", "appearance"])
@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"camera": None}, "name"),
        ({"camera": ["a"]}, "name"),
        ({"time": None}, "time"),
        ({"time": "1"}, "time"),
        ({"time": 1j}, "time"),
        ({"ids": np.array(["a"])}, "ids"),
        ({"ids": np.array([1.5])}, "ids"),
        ({"ids": np.array([2**63], np.uint64)}, "ids"),
        ({"xyxy": np.full((1, 4), "a")}, "xyxy"),
        ({"scores": None}, "scores"),
        ({"scores": np.array(["a"])}, "scores"),
        ({"embeddings": None}, "embeddings"),
        ({"embeddings": np.full((1, 8), 1j)}, "embeddings"),
        ({"embeddings": np.ones((1, 4), np.float32)}, "embeddings have 4 numbers, those before had 8"),
        ({"quality": np.array(["good"])}, "quality"),
        ({"image_size": "ab"}, "image_size"),
        ({"image_size": (640,)}, "image_size"),
    ],
)
def test_a_bad_view_is_named_and_leaves_no_trace(method, given, names):
    vectors = people(1)[:, :8]
    associator = IdentityAssociator(method=method)
    associator.update([view("a", 0.0, [1], vectors)])
    good = view("b", 0.5, [1], vectors)
    with pytest.raises(TrackerInputError, match=names):
        associator.update([good, replace(view("a", 0.5, [1], vectors), **given)])
    with pytest.raises(TrackerInputError):
        associator.update([replace(good, time=1e6), replace(good, ids=np.array([[1]]))])
    step = associator.update([view("a", 1.0, [1], vectors)])
    assert step.global_ids[0].tolist() == [1]
    assert set(associator.finalize()) == {("a", 1)}


def test_lists_of_numbers_are_read_as_arrays():
    vectors = people(2)
    plain, other = IdentityAssociator(), IdentityAssociator()
    for k in range(6):
        seen = view("a", k / 2, [1, 2], vectors)
        listed = CameraTracks("a", k / 2, [1, 2], seen.xyxy.tolist(), seen.scores.tolist(), vectors.tolist())
        listed = replace(listed, image_size=seen.image_size)
        assert plain.update([seen]).global_ids[0].tolist() == other.update([listed]).global_ids[0].tolist()


@pytest.mark.parametrize("views", [None, 3, [None], view("a", 0.0, [1])])
def test_what_is_no_list_of_views_is_refused(views):
    with pytest.raises(TrackerInputError, match="CameraTracks"):
        IdentityAssociator().update(views)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"nosuch": 1}, "nosuch"),
        ({"params": 3}, "IdentityParams"),
        ({"threshold": "a"}, "threshold"),
        ({"margin": "3"}, "margin"),
        ({"margin": float("nan")}, "margin"),
        ({"gallery": 2.5}, "gallery"),
        ({"window": True}, "window"),
        ({"duplicates": 2}, "duplicates"),
        ({"revise_every": 0}, "revise_every"),
        ({"travel_times": 3}, "travel_times"),
        ({"travel_times": [("a", "b", "x", 2)]}, "travel_times"),
        ({"travel_times": [3]}, "travel_times"),
        ({"max_late": "1"}, "max_late"),
        ({"max_late": -1}, "max_late"),
        ({"max_late": None}, "max_late"),
        ({"calibrations": {"lobby": 3}}, "lobby"),
    ],
)
def test_settings_of_the_wrong_type_are_named(settings, names):
    with pytest.raises(TrackerInputError, match=names):
        IdentityAssociator(**settings)


def test_a_calibration_that_is_none_is_refused_at_once():
    associator = IdentityAssociator()
    with pytest.raises(TrackerInputError, match="lobby"):
        associator.calibrate("lobby", 3)
    for wrong in ("x", None, [[1, 0], [0, 1]]):
        with pytest.raises(TrackerInputError, match="homography"):
            GroundPlane.from_homography(wrong)
        with pytest.raises(TrackerInputError, match="homography"):
            GroundPlane(wrong)


@pytest.mark.parametrize(
    "features", [np.zeros((2, D)), np.zeros(D), np.full((1, D), np.nan), np.full((1, D), "a"), np.zeros((0, D))]
)
def test_known_people_need_an_embedding_each(features):
    associator = IdentityAssociator()
    with pytest.raises(TrackerInputError, match="features"):
        associator.remember(np.array([7]), features, 0.0)
    with pytest.raises(TimeError, match="time"):
        associator.remember(np.array([7]), people(1), None)
