"""What travels between the stages: frozen records of whole arrays, facts apart from pixels.

Conventions, everywhere in `pipeline`:

* images are uint8 arrays (H, W, 3), **RGB**;
* boxes are float32 arrays (N, 4), (x1, y1, x2, y2) in pixels of the frame's image, x to the right, y down;
* time is float seconds on the run's one clock (see `Frame.time`), never a count of frames.

A `Frame` is a picture and lives in one process. Everything after the networks (`Observation`, `FrameTracks`, `Step`)
holds a `FrameInfo` instead, and pictures only where a stage asked for them. A pickled record has no pictures, and
its embeddings are float16: a frame with 20 people takes less than 30 kB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.pipeline.conversions import DetectionForms, StepForms, TrackForms

if TYPE_CHECKING:
    from relaytrack.pipeline.events.schema import Event
    from relaytrack.trackers import Revision

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Images = Mapping[str, Image]
"""Pictures by camera name."""

NO_IMAGES: Images = MappingProxyType({})
Crops = Mapping[tuple[str, int], tuple[float, bytes]]
"""(camera, track id) -> how well a cut-out picture shows the person (higher is better), and the picture as JPEG."""


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """What is known of a picture, without the picture.

    Attributes:
        camera: the camera's name, unique in a run.
        index: 1-based number of the frame in its own source (frames left out by `max_fps` or dropped count).
        time: seconds on the run's clock; see `Frame.time`.
        size: (width, height) of the frame's image in pixels.
        roi_origin: (x, y) of the image's top left pixel in the source's full picture.
        epoch: seconds since 1970 at `time`, comparable between hosts; None in a run over recordings.
        arrived: `time.monotonic()` when the frame was decoded, for latency; 0 in another process.
    """

    camera: str
    index: int
    time: float
    size: tuple[int, int]
    roi_origin: tuple[int, int] = (0, 0)
    epoch: float | None = None
    arrived: float = 0.0

    def __reduce__(self) -> tuple[Any, ...]:
        values = (self.camera, self.index, self.time, self.size, self.roi_origin, self.epoch)
        return FrameInfo, values  # another process has another monotonic clock: `arrived` means nothing there


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera.

    Attributes:
        camera: the camera's name, unique in a run.
        index: 1-based number of the frame in its own source (frames left out by `max_fps` or dropped count).
        time: seconds on the run's clock. Files: presentation time from the file's first frame plus the
            camera's `offset`. Live: arrival time since the run's start plus `offset`.
        image: (H, W, 3) uint8 RGB with square pixels, already cut to the camera's region of interest.
        origin: (x, y) of the image's top left pixel in the source's full picture; (0, 0) without a `roi`.
        arrived: `time.monotonic()` when the frame was decoded, for latency figures.
        epoch: seconds since 1970 at `time`; None in a run over recordings.
    """

    camera: str
    index: int
    time: float
    image: Image = field(repr=False)
    origin: tuple[int, int] = (0, 0)
    arrived: float = 0.0
    epoch: float | None = None

    @property
    def info(self) -> FrameInfo:
        """The facts without the picture."""
        height, width = self.image.shape[:2]
        return FrameInfo(
            self.camera, self.index, self.time, (width, height), self.origin, epoch=self.epoch, arrived=self.arrived
        )


FrameSet = tuple[Frame, ...]
"""One moment of all cameras: at most one frame of each, in the order of the cameras."""


@dataclass(frozen=True, slots=True)
class Detections(DetectionForms):
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
class Observation:
    """One frame with what the networks saw.

    Attributes:
        frame: the frame's facts.
        detections: the N people found.
        embeddings: (N, D) float32, L2-normalised; a row of NaN where none was made.
        image: the picture, for stages of the same process.
        looked: whether people were looked for; False where there was no time, and tracks are carried on.
    """

    frame: FrameInfo
    detections: Detections
    embeddings: Floats = field(repr=False)
    image: Image | None = field(default=None, repr=False)
    looked: bool = True

    def __reduce__(self) -> tuple[Any, ...]:
        return _observation, (self.frame, self.detections, half(self.embeddings), self.looked)


@dataclass(frozen=True, slots=True)
class FrameTracks(TrackForms):
    """One frame with everything known of it.

    Attributes:
        frame: the frame's facts.
        ids: (N,) int64, the camera's own track ids (confirmed tracks updated in this frame).
        global_ids: (N,) int64, the identities over all cameras, provisional while a run goes on.
        xyxy: (N, 4) float32 filtered boxes in pixels of the frame's image.
        scores: (N,) float32 detection scores.
        detections: every detection of the frame (tracked or not), for stages that hide people.
        embeddings: (N, D) float32, L2-normalised; a row of NaN where there is none.
    """

    frame: FrameInfo
    ids: Ints
    global_ids: Ints
    xyxy: Floats
    scores: Floats
    detections: Detections = field(default_factory=Detections.empty)
    embeddings: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32), repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def pick(self, rows: ArrayLike) -> FrameTracks:
        """The same frame with some of its tracks, by mask or by index."""
        chosen = np.asarray(rows)
        chosen = chosen if chosen.dtype == bool else chosen.astype(np.int64)
        return replace(
            self,
            ids=self.ids[chosen],
            global_ids=self.global_ids[chosen],
            xyxy=self.xyxy[chosen],
            scores=self.scores[chosen],
            embeddings=self.embeddings[chosen] if len(self.embeddings) else self.embeddings,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        values = (self.frame, self.ids, self.global_ids, self.xyxy, self.scores, self.detections, half(self.embeddings))
        return _frame_tracks, values


@dataclass(frozen=True, slots=True, eq=False)
class Step(StepForms):
    """One step of the run: at most one frame per camera, and what became known with it.

    Everybody who gets a step gets all of it. Iterating over a step gives its `tracks`.

    Attributes:
        time: seconds on the run's clock, of the newest frame.
        tracks: each camera's frame with its tracks.
        revisions: corrections of what earlier steps said.
        events: what happened; see `pipeline.events.schema`.
        images: pictures by camera, people hidden in them where the run hides people; only for receivers that
            declare `needs_pixels`. All receivers share them: they cannot be written to.
        drawn: the same with boxes, identities and trails; only for receivers that declare `needs_drawn`.
        crops: new best pictures of people, people hidden in them as in `images`, in a step that was made on another
            machine of a cluster: its pictures stay there.
    """

    time: float
    tracks: tuple[FrameTracks, ...] = ()
    revisions: tuple[Revision, ...] = ()
    events: tuple[Event, ...] = ()
    images: Images = field(default_factory=lambda: NO_IMAGES, repr=False)
    drawn: Images = field(default_factory=lambda: NO_IMAGES, repr=False)
    crops: Crops = field(default_factory=dict, repr=False)

    @staticmethod
    def of(tracks: Sequence[FrameTracks], *, images: Images = NO_IMAGES, drawn: Images = NO_IMAGES) -> Step:
        """A step of these frames alone, at the time of the newest."""
        return Step(max((one.frame.time for one in tracks), default=0.0), tuple(tracks), images=images, drawn=drawn)

    def __iter__(self) -> Iterator[FrameTracks]:
        return iter(self.tracks)

    def __len__(self) -> int:
        return len(self.tracks)

    def facts(self) -> Step:
        """The step without pictures."""
        return replace(self, images=NO_IMAGES, drawn=NO_IMAGES) if self.images or self.drawn else self

    def __reduce__(self) -> tuple[Any, ...]:
        return Step, (self.time, self.tracks, self.revisions, self.events)


def half(vectors: Floats) -> NDArray[np.float16]:
    """Embeddings as they leave a process: float16, cosines change by less than 1e-3."""
    return vectors.astype(np.float16)


def _full(vectors: NDArray[np.float16]) -> Floats:
    return vectors.astype(np.float32)


def _observation(
    frame: FrameInfo, detections: Detections, embeddings: NDArray[np.float16], looked: bool
) -> Observation:
    return Observation(frame, detections, _full(embeddings), looked=looked)


def _frame_tracks(*values: Any) -> FrameTracks:
    frame, ids, global_ids, xyxy, scores, detections, embeddings = values
    return FrameTracks(frame, ids, global_ids, xyxy, scores, detections, _full(embeddings))
