"""Follower and perception: what reaches the tracker, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from relaytrack.pipeline.perception.stage import Observation, Perception
from relaytrack.pipeline.records import Detections, Floats, Frame
from relaytrack.pipeline.tracking.session import Follower
from relaytrack.trackers import CameraTracks, DeepSortParams, IdentityAssociator
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


def follow(steps: int, scale: float, origin: tuple[int, int] = (0, 0)) -> tuple[Follower, list[int]]:
    follower = Follower(
        ["a"], DeepSortParams(adapt_scores=False), IdentityAssociator(), score_scale=scale, keep_earlier=True
    )
    counts = []
    for index in range(1, steps + 1):
        boxes = np.array([[10, 10, 30, 70]], np.float32) + index
        found = Detections(boxes, np.array([0.7], np.float32))
        vectors = np.array([[1.0, 0.0]], np.float32)
        (tracks,) = follower.follow([Observation(frame("a", 5 * index, origin), found, vectors)])
        counts.append(len(tracks.ids))
        assert tracks.scores.tolist() == [np.float32(0.7)] * len(tracks.ids)
    return follower, counts


def test_a_person_is_confirmed_and_the_frames_before_are_filled_in() -> None:
    follower, counts = follow(6, 1.0, origin=(100, 0))
    assert counts == [0, 0, 1, 1, 1, 1]
    frames, ids, boxes, scores = follower.earlier["a"].rows()
    assert frames.tolist() == [5, 10]
    assert len(set(ids.tolist())) == 1
    assert boxes[0, 0] > 100
    assert np.allclose(scores, 0.7)
    assert set(follower.final_identities()) == {("a", int(ids[0]))}


def test_scores_are_put_on_the_trackers_scale() -> None:
    assert follow(6, 2.0)[1] == [0] * 6, "0.7 on a scale of 2 starts no track"


def test_the_association_knows_the_edges_of_a_cameras_region() -> None:
    heard: list[CameraTracks] = []

    class Listener:
        def update(self, views: list[CameraTracks]) -> IdentityStep:
            heard.extend(views)
            ids = tuple(view.ids for view in views)
            return IdentityStep(tuple(np.ones(len(view), np.int64) for view in views), track_ids=ids)

    follower = Follower(["a"], DeepSortParams(adapt_scores=False), Listener())  # type: ignore[arg-type]
    for index in range(1, 4):
        found = Detections(np.array([[10, 10, 30, 70]], np.float32), np.array([0.9], np.float32))
        follower.follow([Observation(frame("a", index, (100, 40)), found, np.array([[1.0, 0.0]], np.float32))])
    seen = heard[-1]
    assert (seen.origin, seen.image_size) == ((100, 40), (228, 136))
    assert seen.xyxy.round().tolist() == [[110, 50, 130, 110]]
