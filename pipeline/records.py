"""What travels between the stages: frozen records of whole arrays.

Conventions, everywhere in `pipeline`:

* images are uint8 arrays (H, W, 3), **RGB**;
* boxes are float32 arrays (N, 4), (x1, y1, x2, y2) in pixels of the frame's image, x to the right, y down;
* time is float seconds on the run's one clock (see `Frame.time`), never a count of frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera.

    Attributes:
        camera: the camera's name, unique in a run.
        index: 1-based number of the frame in its own source (frames left out by `max_fps` or dropped count).
        time: seconds on the run's clock. Files: presentation time from the file's first frame plus the
            camera's `offset`. Live: arrival time since the run's start plus `offset`.
        image: (H, W, 3) uint8 RGB with square pixels, already cut to the camera's region of interest.
        origin: (x, y) of the image's top left pixel in the source's full picture; (0, 0) without a `crop`.
        arrived: `time.monotonic()` when the frame was decoded, for latency figures.
    """

    camera: str
    index: int
    time: float
    image: Image
    origin: tuple[int, int] = (0, 0)
    arrived: float = 0.0


@dataclass(frozen=True, slots=True)
class Detections:
    """The people found in one frame: xyxy (N, 4) float32 pixels of that frame's image; scores (N,) in 0..1."""

    xyxy: Floats
    scores: Floats

    @staticmethod
    def empty() -> Detections:
        """No detection at all."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True)
class FrameTracks:
    """One frame with everything known of it: what sinks receive, in time order per camera.

    Attributes:
        frame: the frame itself.
        ids: (N,) int64, the camera's own track ids (confirmed tracks updated in this frame).
        global_ids: (N,) int64, the identities over all cameras, provisional while a run goes on.
        xyxy: (N, 4) float32 filtered boxes in pixels of frame.image.
        scores: (N,) float32 detection scores.
        detections: every detection of the frame (tracked or not), for sinks that hide people.
        embeddings: (N, D) float32, L2-normalised; a row of NaN where there is none.
    """

    frame: Frame
    ids: Ints
    global_ids: Ints
    xyxy: Floats
    scores: Floats
    detections: Detections = field(default_factory=Detections.empty)
    embeddings: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
