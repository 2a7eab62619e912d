"""From the frames of one step to people with boxes and embeddings: the part that runs the networks."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from relaytrack.pipeline.foreign import told_by_name
from relaytrack.pipeline.perception.answers import read_detections, read_embeddings
from relaytrack.pipeline.perception.detectors.base import Detector
from relaytrack.pipeline.perception.effort import Effort
from relaytrack.pipeline.perception.embedding_schedule import EmbeddingSchedule
from relaytrack.pipeline.perception.person_crops import Cropper
from relaytrack.pipeline.perception.turns import Turn, Turns
from relaytrack.pipeline.records import Detections, Floats, Frame, Ints, Observation

_CROPS_AT_ONCE = 256


class CropEmbedder(Protocol):
    """What perception needs of a re-identification network (`reid.Embedder` is one)."""

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of a crop in pixels."""

    @property
    def dim(self) -> int:
        """Length of an embedding."""

    def embed(self, crops: torch.Tensor) -> Floats:
        """Turn (N, 3, H, W) float RGB crops in 0..1 into (N, D) L2-normalised float32 embeddings."""


@dataclass(slots=True)
class NetworkTimes:
    """Seconds spent and things done by each network stage so far, of all threads together.

    `cameras` holds the seconds of all stages by camera: a step's detection in equal parts, its crops and embeddings by
    the people that were cut out.
    """

    detect: float = 0.0
    crop: float = 0.0
    embed: float = 0.0
    frames: int = 0
    crops: int = 0
    cameras: dict[str, float] = field(default_factory=dict)

    def add(self, other: NetworkTimes) -> None:
        """Count what another record holds, too."""
        self.detect += other.detect
        self.crop += other.crop
        self.embed += other.embed
        self.frames += other.frames
        self.crops += other.crops
        for camera, seconds in other.cameras.items():
            self.cameras[camera] = self.cameras.get(camera, 0.0) + seconds

    def share(self, cameras: Sequence[str], crops: Sequence[int]) -> None:
        """Share seconds among the cameras by their number of crops."""
        looks = (self.crop + self.embed) / max(sum(crops), 1)
        for camera, count in zip(cameras, crops, strict=True):
            self.cameras[camera] = self.detect / len(cameras) + looks * count


class Perception:
    """Detects people in frames and embeds them, all cameras of a step in one batch.

    Several threads may call it at once, each with a step of its own.

    Args:
        detector: finds people.
        embedder: describes their looks; None makes no embeddings, (N, 0).
        cropper: cuts all boxes of a batch at once, on the networks' device.
        min_height: boxes lower than this many pixels get no embedding.
        min_score: detections below this score get no embedding.
        streams: threads that are to call it at once, each on its share of the CPU.
        schedule: says who needs an embedding in a frame; None: everybody.

    Attributes:
        effort: says which frames are looked at, in live runs that adapt; None looks at all.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: CropEmbedder | None,
        cropper: Cropper | None,
        *,
        min_height: float = 16,
        min_score: float = 0.0,
        streams: int = 1,
        schedule: EmbeddingSchedule | None = None,
    ) -> None:
        self.detector = detector
        self.embedder = embedder
        self.cropper = cropper
        self.streams = streams
        self.schedule = EmbeddingSchedule(0.0) if schedule is None else schedule
        self.effort: Effort | None = None
        self._turns = Turns()
        self.times = NetworkTimes()
        self._counting = threading.Lock()
        self._min_height = min_height
        self._min_score = min_score

    def set_min_score(self, score: float) -> None:
        """Detections below this score get no embedding from now on."""
        self._min_score = score

    def forget(self, camera: str) -> None:
        """A camera has left."""
        with self._counting:
            self.times.cameras.pop(camera, None)
        if self.effort is not None:
            self.effort.forget(camera)

    def perceive_in_turn(self, moment: tuple[int, Sequence[Frame]]) -> tuple[Observation, ...]:
        """Like `perceive`, for several threads: moments are numbered 0, 1, ... and begun in this order.

        Who is embedded is decided in that order, however long the detector takes for each.
        """
        number, frames = moment
        with self._turns.piece(number) as turn:
            return self._perceive(frames, turn)

    def perceive(self, frames: Sequence[Frame], *, always: bool = False) -> tuple[Observation, ...]:
        """Return one observation per frame, in the frames' order; `always` passes over none, whatever the effort."""
        return self._perceive(frames, None, always=always)

    def _perceive(self, frames: Sequence[Frame], turn: Turn | None, *, always: bool = False) -> tuple[Observation, ...]:
        looked = [always or self.effort is None or self.effort.looks(frame.camera) for frame in frames]
        chosen = [frame for frame, look in zip(frames, looked, strict=True) if look]
        spent = NetworkTimes(frames=len(chosen))
        start = time.perf_counter()
        found = self._people(chosen) if chosen else []
        spent.detect = time.perf_counter() - start
        if turn is not None:
            turn.wait()
        wanted = [self._worth_embedding(frame, one) for frame, one in zip(chosen, found, strict=True)]
        if turn is not None:
            turn.over()
        seen = iter(zip(found, self._embed(chosen, found, wanted, spent), strict=True))
        results = [
            self._observed(frame, *next(seen)) if look else passed_over(frame)
            for frame, look in zip(frames, looked, strict=True)
        ]
        spent.share([frame.camera for frame in chosen], [len(rows) for rows in wanted])
        with self._counting:
            self.times.add(spent)
        return tuple(results)

    def _people(self, frames: Sequence[Frame]) -> list[Detections]:
        with told_by_name("detector", self.detector):
            answer = self.detector.detect(frames)
        return read_detections(answer, frames, type(self.detector).__name__)

    @staticmethod
    def _observed(frame: Frame, detections: Detections, embeddings: Floats) -> Observation:
        return Observation(frame.info, detections, embeddings, frame.image)

    def _embed(
        self, frames: Sequence[Frame], found: Sequence[Detections], wanted: Sequence[Ints], spent: NetworkTimes
    ) -> list[Floats]:
        """Embeddings (N, D) of each frame's detections; NaN but for the rows `wanted`."""
        if self.embedder is None or self.cropper is None:
            return [np.zeros((len(detections), 0), np.float32) for detections in found]
        boxes = [detections.xyxy[rows] for detections, rows in zip(found, wanted, strict=True)]
        vectors = self._embed_boxes(self.embedder, self.cropper, frames, boxes, spent)
        results, taken = [], 0
        for detections, rows in zip(found, wanted, strict=True):
            embeddings = np.full((len(detections), self.embedder.dim), np.nan, np.float32)
            embeddings[rows] = vectors[taken : taken + len(rows)]
            taken += len(rows)
            results.append(embeddings)
        return results

    def _worth_embedding(self, frame: Frame, detections: Detections) -> Ints:
        """Rows of a frame's detections that are to be embedded."""
        if self.embedder is None:
            return np.zeros(0, np.int64)
        height = detections.xyxy[:, 3] - detections.xyxy[:, 1]
        usable = (height >= self._min_height) & (detections.scores >= self._min_score)
        return np.flatnonzero(self.schedule.choose(frame.camera, frame.time, detections.xyxy, usable))

    @staticmethod
    def _embed_boxes(
        embedder: CropEmbedder,
        cropper: Cropper,
        frames: Sequence[Frame],
        boxes: Sequence[Floats],
        spent: NetworkTimes,
    ) -> Floats:
        total = sum(len(of_frame) for of_frame in boxes)
        vectors = np.empty((total, embedder.dim), np.float32)
        done = 0
        for group in _groups(boxes, _CROPS_AT_ONCE):
            start = time.perf_counter()
            crops = cropper.crop([frames[i].image for i in group], [boxes[i] for i in group])
            middle = time.perf_counter()
            if len(crops):
                with told_by_name("embedder", embedder):
                    answer = embedder.embed(crops)
                vectors[done : done + len(crops)] = read_embeddings(
                    answer, len(crops), embedder.dim, type(embedder).__name__
                )
            done += len(crops)
            spent.crop += middle - start
            spent.embed += time.perf_counter() - middle
        spent.crops = total
        return vectors


def passed_over(frame: Frame) -> Observation:
    """A frame in which nobody was looked for."""
    return Observation(frame.info, Detections.empty(), np.zeros((0, 0), np.float32), frame.image, looked=False)


def _groups(boxes: Sequence[Floats], most: int) -> list[list[int]]:
    """Split frames into runs of about `most` boxes each, so that memory stays bounded in a crowd."""
    groups: list[list[int]] = [[]]
    size = 0
    for index, of_frame in enumerate(boxes):
        if groups[-1] and size + len(of_frame) > most:
            groups.append([])
            size = 0
        groups[-1].append(index)
        size += len(of_frame)
    return groups if boxes else []
