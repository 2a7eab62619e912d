"""Tracks on a floor that several cameras see: they are split where they jump from one person to another."""

import numpy as np
from support.wanderers import people, view

from relaytrack.trackers import GroundPlane, IdentityAssociator
from relaytrack.trackers.identities.switch_detector import PART, TrackParts


def floor_box(place):
    """A box whose feet stand at (x, y) metres where a pixel is a centimetre."""
    x, y = 100 * np.asarray(place)
    return [x - 25, y - 170, x + 25, y]


def parted(jump, **settings):
    """Two people stand apart on a floor that three cameras see; in camera b their tracks change places."""
    from relaytrack.trackers import GroundPlane

    plane = GroundPlane.from_homography(np.diag([0.01, 0.01, 1.0]))
    run = IdentityAssociator(calibrations=dict.fromkeys("abc", plane), **settings)
    places = np.array([[3.0, 4.0], [9.0, 4.0]])
    steps = []
    for frame in range(60):
        now = places + 0.02 * frame
        views = []
        for camera in "abc":
            ids = [2, 1] if camera == "b" and jump <= frame else [1, 2]
            boxes = [floor_box(place) for place in now]
            views.append(view(camera, frame / 7, ids, np.zeros((2, 0), np.float32), boxes, size=(1400, 1000)))
        steps.append(run.update(views))
    return steps, run.finalize()


def test_a_track_that_jumps_to_another_person_goes_on_as_a_new_one():
    steps, final = parted(30)
    names = {camera: set(np.concatenate([step.track_ids[row] for step in steps])) for row, camera in enumerate("abc")}
    assert len(names["a"]) == len(names["c"]) == 2
    assert len(names["b"]) == 4
    for row, camera in enumerate("abc"):  # the first box is the same person in all, at the end
        assert final[camera, int(steps[-1].track_ids[row][0])] == final["a", 1]
    assert final["b", 1] == final["a", 1]
    assert final["b", 2] == final["a", 2]
    assert len(set(final.values())) == 2


def test_the_parts_of_a_track_are_told_apart_whatever_its_id():
    """Fault: a track whose id was above a million could jump to another person unnoticed."""
    for track in (7, PART + 7, 3 * PART):
        parts = TrackParts()
        for jump in range(3):
            present = parts.rename("a", np.array([track, 2])).tolist()
            assert present == [track + jump * PART, 2]
            for earlier in range(jump):
                parts.part("a", track + earlier * PART)
                parts.forget("a", track + earlier * PART)
            assert parts.rename("a", np.array([track])).tolist() == present[:1], "an earlier part is no more"
            parts.part("a", present[0])
        assert parts.rename("b", np.array([track])).tolist() == [track]
        parts.forget("a", track + 3 * PART)
        assert not parts


def test_a_floor_that_is_taken_away_and_given_again_knows_nothing_of_new_tracks():
    """Fault: a new track in the place of an old one had the evidence that was collected about that one."""
    plane = GroundPlane.from_homography(np.diag([0.01, 0.01, 1.0]))
    run, nothing = IdentityAssociator(calibrations=dict.fromkeys("ab", plane)), np.zeros((1, 0), np.float32)

    def see(time, track, places):
        views = [
            view(camera, time, [track], nothing, [floor_box(place)], size=(1400, 1000))
            for camera, place in zip("ab", places, strict=True)
        ]
        return [ids.tolist() for ids in run.update(views).global_ids]

    for frame in range(20):
        both = see(frame / 7, 1, [(3.0, 4.0), (3.0, 4.0)])
    assert both[0] == both[1], "one place, one person"
    for camera in "ab":
        run.calibrate(camera, None)
    run.forget(both[0])
    floor = run._backend._pairs.floor
    assert not floor._sum.any(), "nothing is kept of who is forgotten"
    see(5.0, 2, [(3.0, 4.0), (9.0, 4.0)])
    for camera in "ab":
        run.calibrate(camera, plane)
    assert not floor.together(np.array([0]), np.array([1])).any()


def test_tracks_that_do_not_jump_are_left_alone():
    steps, final = parted(1000)
    assert all((ids == [1, 2]).all() for step in steps for ids in step.track_ids)
    assert len(set(final.values())) == 2
    whole, _ = parted(30, split_switched_tracks=False)
    assert set(np.concatenate([step.track_ids[1] for step in whole])) == {1, 2}


def test_a_camera_that_is_calibrated_after_its_people_came_is_corrected():
    associator = IdentityAssociator()
    looks = people(2)
    for step in range(8):
        associator.update([view("door", step / 4, [1], looks[:1]), view("gate", step / 4, [2], looks[1:])])
    associator.calibrate("door", GroundPlane(np.diag([0.01, 0.01, 1.0])))
    assert len(associator.finalize()) == 2
