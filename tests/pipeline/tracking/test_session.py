"""Sessions and perception: what reaches the tracker, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from relaytrack.pipeline.config.schema import CameraConfig, EventsConfig
from relaytrack.pipeline.errors import ConfigError, InputError
from relaytrack.pipeline.events.watch import EventWatch
from relaytrack.pipeline.identity import TrackletMessage
from relaytrack.pipeline.identity.service import LocalIdentityService
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.records import Detections, Floats, Frame, FrameInfo, Observation
from relaytrack.pipeline.tracking.backfill import EarlierBoxes
from relaytrack.pipeline.tracking.multi_camera import MultiCameraTracker
from relaytrack.pipeline.tracking.session import CameraSession
from relaytrack.pipeline.tracking.tracker import Tracker
from relaytrack.trackers import CameraTracks, DeepSort, IdentityAssociator
from relaytrack.trackers.identities import IdentityStep


class TwoPeople:
    """A detector that sees one clear person and one low box in every frame."""

    provider = "test"

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        boxes = np.array([[10, 10, 30, 70], [50, 20, 60, 28]], np.float32)
        return [Detections(boxes + frame.index, np.array([0.9, 0.8], np.float32)) for frame in frames]


class MeanColour:
    """An embedder of two dimensions."""

    input_size = (8, 4)
    dim = 2

    def embed(self, crops: torch.Tensor) -> Floats:
        mean = crops.mean(dim=(1, 2, 3)).numpy()
        vectors = np.stack([np.cos(mean), np.sin(mean)], 1)
        return vectors.astype(np.float32)


class Cut:
    """A cropper that remembers what it was asked for."""

    def __init__(self) -> None:
        self.boxes: list[Floats] = []

    def crop(
        self, images: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], boxes: Sequence[Floats]
    ) -> torch.Tensor:
        self.boxes.extend(boxes)
        return torch.ones(sum(map(len, boxes)), 3, 8, 4)


def frame(camera: str, index: int, origin: tuple[int, int] = (0, 0)) -> Frame:
    return Frame(camera, index, index / 10, np.zeros((96, 128, 3), np.uint8), origin)


def test_boxes_too_small_get_no_embedding() -> None:
    cutter = Cut()
    perception = Perception(TwoPeople(), MeanColour(), cutter, min_height=16)  # type: ignore[arg-type]
    seen = perception.perceive([frame("a", 1), frame("b", 1)])
    assert [len(boxes) for boxes in cutter.boxes] == [1, 1]
    for observation in seen:
        assert np.isfinite(observation.embeddings[0]).all()
        assert np.isnan(observation.embeddings[1]).all()
    assert perception.times.frames == 2
    assert perception.times.crops == 2


def session(name: str, *, scale: float = 1.0, tracker: Tracker | None = None) -> CameraSession:
    # frames half a second apart, and a track is confirmed by its third box
    chosen = DeepSort(adapt_scores=False, early_time=0.0) if tracker is None else tracker
    return CameraSession(CameraConfig(url="x", name=name), chosen, score_scale=scale, earlier=EarlierBoxes())


def seen(camera: str, index: int, origin: tuple[int, int] = (0, 0), time: float | None = None) -> Observation:
    """Somebody who walks."""
    boxes = np.array([[10, 10, 30, 70]], np.float32) + index % 40
    shown = frame(camera, 5 * index, origin)
    moment = shown.time if time is None else time
    picture = Frame(camera, shown.index, moment, shown.image, origin)
    found = Detections(boxes, np.array([0.7], np.float32))
    return Observation(picture.info, found, np.array([[1.0, 0.0]], np.float32))


def multi(*sessions: CameraSession, events: EventWatch | None = None) -> MultiCameraTracker:
    names = [session.name for session in sessions]
    service = LocalIdentityService(IdentityAssociator(max_late=4.0), cameras=names)
    return MultiCameraTracker(sessions, service, events)


def test_a_person_is_confirmed_and_the_frames_before_are_filled_in() -> None:
    one = session("a")
    tracker, counts = multi(one), []
    for index in range(1, 7):
        (tracks,) = tracker.follow([seen("a", index, (100, 0))]).step
        counts.append(len(tracks.ids))
        assert tracks.scores.tolist() == [np.float32(0.7)] * len(tracks.ids)
    assert counts == [0, 0, 1, 1, 1, 1]
    assert one.earlier is not None
    frames, ids, boxes, scores = one.earlier.rows()
    assert frames.tolist() == [5, 10]
    assert len(set(ids.tolist())) == 1
    assert boxes[0, 0] > 100
    assert np.allclose(scores, 0.7)
    assert set(tracker.identities.final_identities()) == {("a", int(ids[0]))}
    assert (one.stats.frames, one.stats.tracks) == (6, 1)


def test_what_the_detector_was_not_sure_of_before_a_track_is_kept_for_it() -> None:
    """Somebody who is found unsurely in two frames, and surely from the third on, in a camera with a region."""
    one = session("a", scale=1.1)
    for index in range(1, 6):
        sure = seen("a", index, (100, 0), time=index / 10)
        unsure = replace(sure, detections=Detections(sure.detections.xyxy, np.array([0.3], np.float32)))
        one.track(unsure if index < 3 else sure)
    assert one.earlier is not None
    kept = one.earlier.free()
    assert [(frame.frame, len(frame.scores)) for frame in kept] == [(5, 1), (10, 1), (15, 0)]
    assert kept[0].xyxy[0].tolist() == [111, 11, 131, 71]
    np.testing.assert_allclose(kept[0].scores, 0.3, rtol=1e-6)


@pytest.mark.parametrize("embedded", [(), (1,), (1, 2), (2, 3)])
def test_a_track_that_is_confirmed_without_an_embedding_is_known_by_its_newest(embedded: tuple[int, ...]) -> None:
    """Under load every second embedding is left out; a new track must not look like nobody for that."""
    one = session("a")
    for index in range(1, 4):
        angle = index / 10 if index in embedded else np.nan
        looks = np.array([[np.cos(angle), np.sin(angle)]], np.float32)
        message, _ = one.track(replace(seen("a", index), embeddings=looks))
    assert len(message.ids) == 1
    newest = max(embedded, default=np.nan) / 10
    assert np.allclose(message.embeddings, [[np.cos(newest), np.sin(newest)]], equal_nan=True)


def test_scores_are_put_on_the_trackers_scale() -> None:
    tracker = multi(session("a", scale=2.0))
    assert all(len(tracker.follow([seen("a", index)]).step.tracks[0]) == 0 for index in range(1, 7))


def test_scores_beyond_one_count_as_one() -> None:
    """A detector whose scale lies below 1, or a plug-in without one: the tracker takes scores of 0 to 1 only."""
    tracker = multi(session("a", scale=0.5))
    assert [len(tracker.follow([seen("a", index)]).step.tracks[0]) for index in range(1, 5)][-1] == 1


def test_the_association_knows_the_edges_of_a_cameras_region() -> None:
    heard: list[CameraTracks] = []

    class Listener:
        def update(self, views: list[CameraTracks]) -> IdentityStep:
            heard.extend(views)
            ids = tuple(view.ids for view in views)
            return IdentityStep(tuple(np.ones(len(view), np.int64) for view in views), track_ids=ids)

    service = LocalIdentityService(Listener())  # type: ignore[arg-type]
    tracker = MultiCameraTracker([session("a")], service)
    for index in range(1, 4):
        found = Detections(np.array([[10, 10, 30, 70]], np.float32), np.array([0.9], np.float32))
        tracker.follow([Observation(frame("a", index, (100, 40)).info, found, np.array([[1.0, 0.0]], np.float32))])
    last = heard[-1]
    assert (last.origin, last.image_size) == ((100, 40), (228, 136))
    assert last.xyxy.round().tolist() == [[110, 50, 130, 110]]


def test_cameras_come_and_go_and_a_name_that_returns_makes_new_track_ids() -> None:
    tracker = multi(session("a"), session("b"))
    for index in range(1, 6):
        tracker.follow([seen("a", index), seen("b", index)])
    assert tracker.sessions["a"].stats.highest == 1
    tracker.remove("a")
    step = tracker.follow([seen("a", 6), seen("b", 6)]).step
    assert [tracks.frame.camera for tracks in step] == ["b"], "frames on their way when a camera left"
    assert step.tracks[0].ids.tolist() == [1]
    tracker.add(session("a"))
    for index in range(7, 12):
        step = tracker.follow([seen("b", index), seen("a", index)]).step
    assert [tracks.ids.tolist() for tracks in step] == [[1], [2]]
    again = tracker.sessions["a"]
    assert (again.stats.tracks, again.stats.highest) == (1, 2)
    assert again.earlier is not None
    assert set(again.earlier.rows()[1].tolist()) == {2}
    with pytest.raises(ConfigError, match="'a' already"):
        tracker.add(session("a"))
    with pytest.raises(ConfigError, match="no camera 'c'"):
        tracker.remove("c")


def test_a_camera_far_behind_the_others_is_counted_and_troubles_nobody(caplog: pytest.LogCaptureFixture) -> None:
    tracker = multi(session("now"), session("late"))
    for index in range(1, 40):
        step = tracker.follow([seen("now", index, time=100 + index / 10), seen("late", index, time=index / 10)]).step
        assert len(step.tracks[1]) == 0
    assert step.tracks[0].global_ids.tolist() == [1]
    assert tracker.identities.status().late == {"late": 39}
    assert caplog.text.count("camera 'late': a frame is 100.0 s behind one of camera 'now'") == 1
    assert caplog.text.count("camera 'late'") == 1


def test_a_frame_that_is_not_later_than_its_cameras_last_is_told_as_such(caplog: pytest.LogCaptureFixture) -> None:
    tracker = multi(session("a"))
    service = tracker.identities
    for time in (1.0, 1.0, float("nan")):
        boxes, none = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        service.update(
            [TrackletMessage(FrameInfo("a", 1, time, (160, 120)), none.astype(np.int64), boxes, none, boxes)]
        )
    assert service.status().late == {"a": 2}
    assert caplog.text.count("camera 'a': a frame is not later than the one before and gets no new identities") == 1


@pytest.mark.parametrize("offset", [3.0, -3.0])
def test_cameras_with_another_offset_are_joined_all_the_same(offset: float) -> None:
    tracker = multi(session("a"), session("b"))
    for index in range(1, 40):
        moment = index / 10
        step = tracker.follow([seen("a", index, time=moment), seen("b", index, time=moment + offset)]).step
    assert [len(tracks) for tracks in step] == [1, 1]
    assert tracker.identities.status().late == {}


def test_every_step_holds_its_events() -> None:
    tracker = multi(session("a"), events=EventWatch([], EventsConfig()))
    steps = [tracker.follow([seen("a", index)]).step for index in range(1, 7)]
    assert [[event.event for event in step.events] for step in steps] == [[], [], ["identity", "enter"], [], [], []]
    last = tracker.finish()
    assert last is not None
    assert [event.event for event in last.step.events] == ["leave"]
    assert last.step.time == pytest.approx(3.0)


class Boxes:
    """Somebody else's tracker: an array of boxes with ids, nothing more."""

    def update(self, xyxy: Floats, scores: Floats, embeddings: Floats | None, time: float) -> Floats:
        ids = np.arange(1, len(xyxy) + 1)[:, None]
        return np.hstack([xyxy + 1, ids, scores[:, None]]).astype(np.float32)


def test_a_tracker_of_somebody_elses_is_enough() -> None:
    one = session("a", tracker=Boxes())
    step = multi(one).follow([seen("a", 1)]).step
    assert step.tracks[0].ids.tolist() == [1]
    assert step.tracks[0].scores.tolist() == [np.float32(0.7)]
    assert step.tracks[0].embeddings.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.array([[0, 0, 9, 9, 0.0]]), "above 0"),
        (np.array([[0, 0, 9, 9, 1.0], [0, 0, 9, 9, 1.0]]), "each occur once"),
        ("nonsense", "cannot be read"),
        (np.zeros((1, 3)), "cannot be read"),
    ],
)
def test_a_trackers_wrong_answer_is_named(answer: object, words: str) -> None:
    class Wrong:
        def update(self, xyxy: Floats, scores: Floats, embeddings: Floats | None, time: float) -> object:
            return answer

    with pytest.raises(InputError, match=f"tracker Wrong.*{words}"):
        multi(session("a", tracker=Wrong())).follow([seen("a", 1)])
