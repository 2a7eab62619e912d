"""`identities.json`: what it holds, and the only reader; `identities_writing` is the only writer.

`identities.json` holds, times in seconds of the run's clock:

* `clock_zero` (live runs): seconds since the epoch at the clock's 0;
* `cameras`: per camera `frames`, `first`, `last` (time of its first and last frame), `last_index` and, where
  its video shortens pauses, `cuts` (the time after each pause, and by how many seconds);
* `identities`, by id: `id`, `color` (RGB, as in the videos), `cameras`, `first`, `last`, `frames`, `crop` (a file
  below the output folder or null), `grounds` (what it rests on: `state`, `similarity`, `margin`, `rival`, `nearest`;
  see `pipeline.results.grounds`) and `tracks`, each with `camera`, `track`, `first`, `last`, `frames`, `spans` (from,
  to: pieces without a gap of more than 2 seconds), `crops` (each `time`, `quality` and `file`, in time order) and
  `former` (the identities that it had before, each `id`, `time`, `kind` and `score`, in the order of the corrections).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.camera import CAMERA_NAME
from relaytrack.pipeline.events.former import MOST_FORMER, Former
from relaytrack.pipeline.palette import IdentityColors, Rgb
from relaytrack.pipeline.pauses import SHORTENED, is_long
from relaytrack.pipeline.results.grounds import Grounds
from relaytrack.trackers.textfile import read_text

NAME = "identities.json"
_GAP = 2.0
_MOST_CUTS = 10_000


@dataclass(slots=True)
class TrackRecord:
    """One track of one camera, as it stands in identities.json."""

    camera: str
    track: int
    first: float
    last: float
    frames: int = 0
    spans: list[list[float]] = field(default_factory=list)
    crops: list[dict[str, Any]] = field(default_factory=list)
    former: list[Former] = field(default_factory=list)

    @property
    def best_crop(self) -> dict[str, Any] | None:
        """The picture that shows the person best; None where the track has none."""
        return max(self.crops, key=lambda crop: float(crop["quality"]), default=None)

    def was(self, former: Former) -> None:
        """Note an identity that the track had until now."""
        self.former = [*self.former, former][-MOST_FORMER:]

    def seen(self, time: float) -> None:
        """Count a frame at `time`."""
        self.frames += 1
        if self.spans and time - self.spans[-1][1] <= _GAP:
            self.spans[-1][1] = time
        else:
            self.spans.append([time, time])
        self.last = time


@dataclass(slots=True)
class CameraRecord:
    """What came of one camera."""

    frames: int = 0
    first: float | None = None
    last: float | None = None
    last_index: int = 0
    cuts: list[list[float]] = field(default_factory=list)

    def seen(self, index: int, time: float) -> None:
        """Count a frame."""
        self.frames += 1
        if self.last is not None and is_long(time - self.last):
            self.cuts = [*self.cuts, [time, time - self.last - SHORTENED]][-_MOST_CUTS:]
        self.first = time if self.first is None else self.first
        self.last, self.last_index = time, index

    def followed_by(self, then: CameraRecord) -> CameraRecord:
        """This record and the one of another program that followed the camera later."""
        times = [one for one in (self.first, then.first) if one is not None]
        last = then if then.last is not None else self
        cuts = [*self.cuts, *then.cuts][-_MOST_CUTS:]
        return CameraRecord(self.frames + then.frames, min(times, default=None), last.last, last.last_index, cuts)


@dataclass(frozen=True, slots=True)
class Identities:
    """What identities.json holds.

    Attributes:
        cameras: what came of each camera.
        tracks: every track with its identity.
        clock_zero: seconds since the epoch at the run's time 0 (live runs), or None.
        colors: the identities' colours, RGB.
        grounds: what each identity rests on; those of older versions' files are missing.
    """

    cameras: dict[str, CameraRecord]
    tracks: list[tuple[TrackRecord, int]]
    clock_zero: float | None = None
    colors: dict[int, Rgb] = field(default_factory=dict)
    grounds: dict[int, Grounds] = field(default_factory=dict)


def read_identities(folder: Path) -> Identities:
    """Read identities.json back.

    Raises:
        OSError: it is not there.
        ValueError: it is not such a file (also KeyError, TypeError).
    """
    try:
        content = json.loads(read_text(folder / NAME))
        cameras = {name: camera_record(record) for name, record in content["cameras"].items()}
        tracks = [
            (track_record(record), int(entry["id"])) for entry in content["identities"] for record in entry["tracks"]
        ]
        for name in dict.fromkeys((*cameras, *(track.camera for track, _ in tracks))):
            if not CAMERA_NAME.fullmatch(name):  # cameras name files
                raise ValueError(f"{name!r} is no camera")
            cameras.setdefault(name, CameraRecord())
        zero = content.get("clock_zero")
        if zero is not None and not _are_finite([zero]):
            raise ValueError("a time that is no number")
        return Identities(
            cameras,
            tracks,
            zero,
            {int(entry["id"]): _rgb(entry["color"]) for entry in content["identities"] if "color" in entry},
            {int(entry["id"]): Grounds(**entry["grounds"]) for entry in content["identities"] if "grounds" in entry},
        )
    except (AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{NAME} holds something else") from error


def track_record(values: dict[str, Any]) -> TrackRecord:
    """A track's record; every value that others rely on is looked at (ValueError, KeyError, TypeError)."""
    record = TrackRecord(**values)
    record.former = [Former(**entry) for entry in values.get("former", [])]
    numbers = [record.first, record.last, *(moment for span in record.spans for moment in span)]
    numbers += [crop[key] for crop in record.crops for key in ("time", "quality")]
    if not isinstance(record.crops, list) or not record.spans or any(len(span) != 2 for span in record.spans):
        raise ValueError("a track without times")
    if not _are_finite(numbers) or not _are_counts([record.track, record.frames]):
        raise ValueError("a time, a quality or a count that is no number")
    if not all(isinstance(text, str) for text in (record.camera, *(crop["file"] for crop in record.crops))):
        raise ValueError("a camera or file that is no text")
    return record


def camera_record(values: dict[str, Any]) -> CameraRecord:
    """A camera's record; every value that others rely on is looked at (ValueError, TypeError)."""
    record = CameraRecord(**values)
    times = [one for one in (record.first, record.last) if one is not None]
    if not isinstance(record.cuts, list) or any(len(cut) != 2 for cut in record.cuts) or len(times) == 1:
        raise ValueError("a pause without its length, or a camera without its first or last time")
    if not _are_finite([*times, *(number for cut in record.cuts for number in cut)]):
        raise ValueError("a time that is no number")
    if not _are_counts([record.frames, record.last_index]):
        raise ValueError("a count that is no number")
    return record


def _are_finite(values: Sequence[object]) -> bool:
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _are_counts(values: Sequence[object]) -> bool:
    return all(isinstance(value, int) and value >= 0 for value in values)


def _rgb(values: Sequence[int]) -> Rgb:
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def stored_colors(folder: Path) -> IdentityColors:
    """The identities' colours in `folder`'s identities.json; without a readable one every identity's usual colour."""
    try:
        return IdentityColors(read_identities(folder).colors)
    except (OSError, ValueError, KeyError, TypeError):
        return IdentityColors()
