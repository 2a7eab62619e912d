"""A made-up world for tests of the engine: cameras of plain pictures, a detector and an embedder that know them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence

import numpy as np
import torch

from relaytrack.pipeline.records import Detections, Floats, Frame, Step
from relaytrack.pipeline.sources import SourceStats

SIZE = (160, 120)
"""(width, height) of all pictures."""


def picture(index: int) -> np.ndarray:
    """Grey, with a bright person who walks to the right."""
    image = np.full((SIZE[1], SIZE[0], 3), 60, np.uint8)
    x1, y1, x2, y2 = box(index)
    image[y1:y2, x1:x2] = (250, 30, 30)
    return image


def box(index: int) -> tuple[int, int, int, int]:
    """Where the person stands in a frame."""
    x = 10 + index % 100
    return x, 30, x + 24, 90


class Walk:
    """A camera: `count` frames at `fps`; live, they come at their time.

    Args:
        name: the camera's name.
        count: frames; None for no end.
        offset: seconds added to its clock.
        started: `time.monotonic()` at the run's time 0, for live cameras.
        fail: raise this when it is opened.
    """

    def __init__(
        self,
        name: str,
        count: int | None = 20,
        *,
        live: bool = False,
        fps: float = 10.0,
        offset: float = 0.0,
        fail: Exception | None = None,
    ) -> None:
        self.name, self.live, self.fps = name, live, fps
        self.size: tuple[int, int] | None = SIZE
        self.stats = SourceStats()
        self.closed = threading.Event()
        self._count, self._offset, self._fail = count, offset, fail

    def open(self) -> None:
        if self._fail is not None:
            raise self._fail

    def frames(self) -> Generator[Frame, None, None]:
        begin, index = time.monotonic(), 0
        while self._count is None or index < self._count:
            moment = index / self.fps
            if self.live and self.closed.wait(max(0.0, begin + moment - time.monotonic())):
                return
            if self.closed.is_set():
                return
            index += 1
            self.stats.frames += 1
            shown = (time.monotonic() - START if self.live else moment) + self._offset
            yield Frame(self.name, index, shown, picture(index), (0, 0), time.monotonic(), 1e9 + shown)

    def close(self) -> None:
        self.closed.set()


START = time.monotonic()


class Eyes:
    """A detector that finds the bright person, and two or more where they are painted."""

    provider = "test"

    def __init__(self, scores: Callable[[int], float] = lambda index: 0.9) -> None:
        self.scores = scores

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [self._look(frame) for frame in frames]

    def _look(self, frame: Frame) -> Detections:
        rows, columns = np.nonzero(frame.image[..., 0] > 200)
        if not len(rows):
            return Detections.empty()
        found = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]
        return Detections(np.array(found, np.float32), np.array([self.scores(frame.index)], np.float32))


class Looks:
    """An embedder: everybody looks the same."""

    input_size = (16, 8)
    dim = 4
    threshold = 0.5

    def embed(self, crops: torch.Tensor) -> Floats:
        return np.tile(np.array([1, 0, 0, 0], np.float32), (len(crops), 1))


class Keep:
    """A sink that keeps what it gets."""

    def __init__(self, *, pixels: bool = False, drawn: bool = False) -> None:
        self.needs_pixels, self.needs_drawn = pixels, drawn
        self.steps: list[Step] = []
        self.news: list[str] = []
        self.closed = False

    def write(self, step: Step) -> None:
        self.steps.append(step)

    def close(self) -> None:
        self.closed = True

    def camera_added(self, camera: object) -> None:
        self.news.append(f"+{camera.name}")  # type: ignore[attr-defined]

    def camera_removed(self, name: str) -> None:
        self.news.append(f"-{name}")

    def frames(self, camera: str) -> list[int]:
        """The numbers of a camera's frames."""
        return [tracks.frame.index for step in self.steps for tracks in step if tracks.frame.camera == camera]

    def ids(self, camera: str) -> list[int]:
        """A camera's track ids in order, each once."""
        return list(
            dict.fromkeys(
                track
                for step in self.steps
                for tracks in step
                if tracks.frame.camera == camera
                for track in tracks.ids.tolist()
            )
        )


def wait_for(condition: Callable[[], object], limit: float = 20.0) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
