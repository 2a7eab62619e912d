"""Who was seen beside whom, against a plain count."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers.identities.equal_pairs import equal_pairs
from relaytrack.trackers.identities.meetings import Meetings


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_meetings_equal_a_plain_count_while_tracks_come_and_go(seed):
    rng = np.random.default_rng(seed)
    meetings, camera_of, met = Meetings(), {}, {}
    meetings.grow(64)
    free = list(range(64))
    for _ in range(30):
        camera = int(rng.integers(0, 3))
        own = [slot for slot, one in camera_of.items() if one == camera]
        if own and rng.random() < 0.4:
            gone = rng.choice(own, size=rng.integers(1, len(own) + 1), replace=False)
            for slot in gone.tolist():
                del camera_of[slot]
                free.append(slot)
            met = {pair: n for pair, n in met.items() if not set(pair) & set(gone.tolist())}
            rest = [slot for slot in own if slot in camera_of]
            meetings.close(gone, camera, np.array(rest, np.int64))
        while free and rng.random() < 0.6:
            slot = free.pop(0)
            camera_of[slot] = camera
            meetings.open(slot, camera)
        seen = np.array([slot for slot, one in camera_of.items() if one == camera and rng.random() < 0.7], np.int64)
        if len(seen) == 0:
            continue
        meetings.meet(seen)
        meetings.count(seen[None], np.full((1, len(seen), len(seen)), 0.9, np.float32))
        for a in seen.tolist():
            for b in seen.tolist():
                met[a, b] = met.get((a, b), 0) + 1
        slots = np.array(list(camera_of), np.int64)
        cameras = np.array(list(camera_of.values()))
        rows, columns = equal_pairs(cameras, cameras)
        assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {
            (i, j) for i in range(len(slots)) for j in range(len(slots)) if cameras[i] == cameras[j]
        }
        conflict, twins = meetings.conflicts(slots[rows], slots[columns])
        for a, b, apart, twin in zip(slots[rows].tolist(), slots[columns].tolist(), conflict, twins, strict=True):
            number = met.get((a, b), 0)
            assert apart == (a != b and number > 0)
            assert twin == (number >= 3)


def test_a_frame_whose_boxes_are_unknown_says_nothing_about_duplicates():
    """Fault: after one such frame two boxes around one person counted as two people for ever."""
    meetings, slots = Meetings(), np.array([0, 1])
    meetings.grow(2)
    for slot in slots:
        meetings.open(int(slot), 0)
    for overlap in (0.9, np.nan, 0.9, 0.9):
        meetings.meet(slots)
        meetings.count(slots[None], np.full((1, 2, 2), overlap, np.float32))
    met, duplicates = meetings.conflicts(slots[:1], slots[1:])
    assert (met.tolist(), duplicates.tolist()) == ([True], [True])
