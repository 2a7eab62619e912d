"""What goes into and comes out of the association of identities: frozen records of whole arrays."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.arrays import LARGEST_TIME, numbers, seconds, whole_numbers
from relaytrack.trackers.errors import TimeError, TrackerInputError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
TrackKey = tuple[str, int]
"""A track's name in a run: (camera, the camera's own track id)."""


@dataclass(frozen=True, slots=True, eq=False)
class CameraTracks:
    """One camera's confirmed tracks that were updated at one moment.

    Attributes:
        camera: the camera's name.
        time: seconds on the run's clock.
        ids: (N,) int64, the camera's track ids, each at most once.
        xyxy: (N, 4) float32 boxes, pixels of the source's full picture; a row of NaN where unknown.
        scores: (N,) float32 detection scores, 0..1.
        embeddings: (N, D) float32, L2-normalised; a row of NaN where there is none. D may be 0.
        quality: (N,) float32 in 0..1, how good each crop is; None to judge it by size and score.
        image_size: right and lower edge, in pixels of the source's full picture, of the part of it that is
            looked at (its width and height where that is all of it), if known.
        origin: left and upper edge of that part.
    """

    camera: str
    time: float
    ids: Ints
    xyxy: Floats
    scores: Floats
    embeddings: Floats
    quality: Floats | None = None
    image_size: tuple[int, int] | None = None
    origin: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self.ids)

    def checked(self) -> CameraTracks:
        """These tracks with arrays of the types above, whatever array or list of numbers each was.

        Raises:
            TrackerInputError: naming the camera and what is wrong: shapes that do not belong together, what is no
                number, a track id that is not whole or occurs twice, a size that is none.
        """
        where = f"camera {camera_name(self.camera)}: "
        if self._as_declared():
            return self
        try:
            time = seconds(self.time)
        except TimeError as error:
            raise TrackerInputError(f"{where}{error}") from None
        arrays: dict[str, Any] = {
            name: numbers(getattr(self, name), where + name, np.float32)
            for name in ("xyxy", "scores", "embeddings", "quality")
            if name != "quality" or self.quality is not None
        }
        ids = whole_numbers(self.ids, f"{where}ids")
        count = len(ids)
        wanted = {"xyxy": (count, 4), "scores": (count,), "quality": (count,)}
        for name, array in arrays.items():
            shape = wanted.get(name, (count, *array.shape[1:2]))
            if array.shape != shape or (name == "embeddings" and array.ndim != 2):
                expected = f"({count}, D)" if name == "embeddings" else shape
                raise TrackerInputError(f"{where}{name} has shape {array.shape}, expected {expected}")
        if len(set(ids.tolist())) != count:
            raise TrackerInputError(f"{where}a track id occurs twice in one frame")
        for name in ("image_size", "origin"):
            pair = getattr(self, name)
            if pair is not None and numbers(pair, where + name).shape != (2,):
                raise TrackerInputError(f"{where}{name} must be two numbers of pixels, not {pair!r}")
        return replace(self, time=time, ids=ids, **arrays)

    def _as_declared(self) -> bool:
        """Whether all is of the types above already: what a service gets thousands of times a second."""
        if type(self.ids) is not np.ndarray or self.ids.dtype != np.int64 or self.ids.ndim != 1:
            return False
        count, arrays = len(self.ids), (self.xyxy, self.scores, self.embeddings)
        return (
            type(self.time) is float
            and abs(self.time) < LARGEST_TIME
            and all(type(array) is np.ndarray and array.dtype == np.float32 for array in arrays)
            and self.xyxy.shape == (count, 4)
            and self.scores.shape == (count,)
            and self.embeddings.ndim == 2
            and len(self.embeddings) == count
            and self.quality is None
            and len(set(self.ids.tolist())) == count
            and all(pair is None or _is_two_whole_numbers(pair) for pair in (self.image_size, self.origin))
        )


def _is_two_whole_numbers(pair: object) -> bool:
    return type(pair) is tuple and len(pair) == 2 and type(pair[0]) is int and type(pair[1]) is int


def camera_name(name: object) -> str:
    """A camera's name.

    Raises:
        TrackerInputError: no text, empty, or with characters that no file can hold.
    """
    if not isinstance(name, str) or not name:
        raise TrackerInputError(f"a camera's name is text, not {name!r}")
    if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name):
        raise TrackerInputError(f"a camera's name cannot be written as UTF-8: {name!a}")
    return name


@dataclass(frozen=True, slots=True)
class Revision:
    """A correction of what was said before: from `time` on `track` of `camera` is `new`, no longer `old`.

    A correction holds for the whole track, its past included; `kind` says why: two identities were found to
    be one person ("merge") or one identity to be two people ("split").

    `score` is what spoke for it, in points of evidence against the identity's other tracks (above 0 speaks for it);
    None where it has no other track, or where it is not known.
    """

    kind: Literal["merge", "split"]
    old: int
    new: int
    camera: str
    track: int
    time: float
    score: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class IdentityStep:
    """What one step decided.

    Attributes:
        global_ids: for each view given, in order, (N,) int64 identities of its tracks (>= 1).
        revisions: what changed about tracks of earlier steps and of this one.
        track_ids: for each view given, (N,) int64 ids under which its tracks are known to `finalize`: those given,
            or other ones from where calibrated cameras told that a track jumped from one person to another.
    """

    global_ids: tuple[Ints, ...]
    revisions: tuple[Revision, ...] = field(default=())
    track_ids: tuple[Ints, ...] = field(default=())
