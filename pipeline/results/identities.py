"""`identities.json` and the people's pictures `crops/<id>.jpg`: the only reader and writer of both.

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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.render.palette import IdentityColors, Rgb
from relaytrack.pipeline.render.pauses import SHORTENED, is_long
from relaytrack.pipeline.results.embeddings import EMBEDDINGS, read_embeddings
from relaytrack.pipeline.results.folder import write_atomically, write_bytes
from relaytrack.pipeline.results.grounds import MOST_FORMER, Former, Grounds, grounds_of
from relaytrack.trackers.identities.types import Floats, TrackKey
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


def write_identities(
    folder: Path,
    cameras: Mapping[str, CameraRecord],
    tracks: Iterable[tuple[TrackRecord, int]],
    *,
    pictures: bool = True,
    clock_zero: float | None = None,
    colors: IdentityColors | None = None,
    embeddings: Mapping[TrackKey, Floats] | None = None,
) -> None:
    """Group tracks to identities; write identities.json and each identity's picture, `crops/<id>.jpg`.

    Args:
        folder: the output folder.
        cameras: what came of each camera.
        tracks: every track with its identity.
        pictures: write the identities' pictures too, and remove those of ids that are no more.
        clock_zero: seconds since the epoch at the run's time 0, for live runs.
        colors: the identities' colours; None keeps those of the file that is there.
        embeddings: mean embeddings of tracks, unit vectors (D,); None takes those of the folder.

    Raises:
        OutputError: a file cannot be written.
    """
    groups: dict[int, list[TrackRecord]] = {}
    for record, identity in tracks:
        groups.setdefault(identity, []).append(record)
    colors = colors or stored_colors(folder)
    grounds = grounds_of(
        {
            identity: [((one.camera, one.track), bool(one.former)) for one in records]
            for identity, records in groups.items()
        },
        _embeddings(folder) if embeddings is None else embeddings,
    )
    identities = [
        _identity(identity, groups[identity], colors.of(identity), grounds[identity]) for identity in sorted(groups)
    ]
    if pictures:
        _write_pictures(folder, identities)
    content = {
        "format": 1,
        **({} if clock_zero is None else {"clock_zero": round(clock_zero, 3)}),
        "cameras": {name: _without_empty_cuts(asdict(record)) for name, record in cameras.items()},
        "identities": identities,
    }
    write_atomically(folder / NAME, json.dumps(content, indent=1) + "\n")


def _without_empty_cuts(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "cuts" or value}


def _embeddings(folder: Path) -> dict[TrackKey, Floats]:
    """Mean embeddings of the run's tracks; none where there is no readable file of them."""
    path = folder / EMBEDDINGS
    try:
        keys, vectors = read_embeddings(path) if path.exists() else ([], np.zeros((0, 0), np.float32))
    except InputError:
        return {}
    return dict(zip(keys, vectors, strict=True))


def _identity(identity: int, records: list[TrackRecord], color: Rgb, grounds: Grounds) -> dict[str, Any]:
    records = sorted(records, key=lambda record: (record.first, record.camera, record.track))
    crops = [crop for record in records for crop in record.crops]
    best = max(crops, key=lambda crop: float(crop["quality"]), default=None)
    return {
        "id": identity,
        "color": list(color),
        "cameras": sorted({record.camera for record in records}),
        "first": min(record.first for record in records),
        "last": max(record.last for record in records),
        "frames": sum(record.frames for record in records),
        "crop": best["file"] if best else None,
        "grounds": asdict(grounds),
        "tracks": [asdict(record) for record in records],
    }


def _write_pictures(folder: Path, identities: list[dict[str, Any]]) -> None:
    kept = set()
    for entry in identities:
        if entry["crop"] is None:
            continue
        target = folder / f"crops/{entry['id']}.jpg"
        write_bytes(target, (folder / entry["crop"]).read_bytes(), durable=False)
        entry["crop"] = f"crops/{entry['id']}.jpg"
        kept.add(target.name)
    for path in (folder / "crops").glob("*.jpg"):
        if path.stem.isascii() and path.stem.isdecimal() and path.name not in kept:
            path.unlink()


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
        return Identities(
            {name: CameraRecord(**record) for name, record in content["cameras"].items()},
            [(_track(record), int(entry["id"])) for entry in content["identities"] for record in entry["tracks"]],
            content.get("clock_zero"),
            {int(entry["id"]): _rgb(entry["color"]) for entry in content["identities"] if "color" in entry},
            {int(entry["id"]): Grounds(**entry["grounds"]) for entry in content["identities"] if "grounds" in entry},
        )
    except (AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{NAME} holds something else") from error


def _track(values: dict[str, Any]) -> TrackRecord:
    """A track's record; every value that others rely on is looked at (ValueError, KeyError, TypeError)."""
    record = TrackRecord(**values)
    record.former = [Former(**entry) for entry in values.get("former", [])]
    numbers = [record.first, record.last, *(moment for span in record.spans for moment in span)]
    numbers += [crop[key] for crop in record.crops for key in ("time", "quality")]
    if not record.spans or any(len(span) != 2 for span in record.spans):
        raise ValueError("a track without times")
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        raise ValueError("a time or quality that is no number")
    if not all(isinstance(text, str) for text in (record.camera, *(crop["file"] for crop in record.crops))):
        raise ValueError("a camera or file that is no text")
    return record


def _rgb(values: Sequence[int]) -> Rgb:
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def stored_colors(folder: Path) -> IdentityColors:
    """The identities' colours in `folder`'s identities.json; without a readable one every identity's usual colour."""
    try:
        return IdentityColors(read_identities(folder).colors)
    except (OSError, ValueError, KeyError, TypeError):
        return IdentityColors()
