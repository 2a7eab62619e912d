"""Laying identities beside the truth."""

import numpy as np
import pytest

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.benchmarks.confusions import Stretch, compare


def rows(person, frames, left):
    return np.array([[frame, person, left, 10.0, 40.0, 100.0] for frame in frames])


def test_every_person_is_told_with_what_it_was_taken_for():
    truth = np.vstack([rows(7, range(1, 11), 0), rows(8, range(1, 11), 200)])
    found = np.vstack([rows(1, range(1, 7), 2), rows(2, range(7, 10), 2), rows(2, range(1, 11), 201)])
    eight, seven = sorted(compare({"a": (truth, found)}), key=lambda entry: -entry.person)
    assert (eight.identity, eight.right, eight.other, eight.missed) == (2, 10, 0, 0)
    assert (seven.identity, seven.right, seven.other, seven.missed) == (1, 6, 3, 1)
    assert seven.stretches == (Stretch("a", 1, 6, 6, 1), Stretch("a", 7, 9, 3, 2))


def test_cameras_share_one_assignment():
    truth = {"a": rows(1, range(1, 5), 0), "b": rows(1, range(1, 9), 0)}
    found = {"a": rows(5, range(1, 5), 0), "b": rows(6, range(1, 9), 0)}
    (person,) = compare({name: (truth[name], found[name]) for name in truth})
    assert (person.identity, person.right, person.other) == (6, 8, 4)


def test_tables_without_boxes_are_refused():
    with pytest.raises(TrackerInputError, match="camera a"):
        compare({"a": (np.zeros((1, 3)), np.zeros((0, 6)))})
    with pytest.raises(TrackerInputError, match="no person"):
        compare({"a": (np.zeros((0, 6)), np.zeros((0, 6)))})
