"""`identities.json` and `crops/`: who was seen where and when.

`identities.json` holds, times in seconds of the run's clock:

* `clock_zero` (live runs): seconds since the epoch at the clock's 0;
* `cameras`: per camera `frames`, `first`, `last` (time of its first and last frame), `last_index` and, where
  its video shortens pauses, `cuts` (the time after each pause, and by how many seconds);
* `identities`, by id: `id`, `color` (RGB, as in the videos), `cameras`, `first`, `last`, `frames`, `crop` (a file
  below the output folder or null) and `tracks`, each with `camera`, `track`, `first`, `last`, `frames`, `spans`
  (from, to: pieces without a gap of more than 2 seconds) and `crops` (each `time`, `quality` and `file`, in time
  order).

`embeddings.npz` holds, row by row: `camera`, `track` and `embedding`, the mean of a track's embeddings weighted
by how well its boxes show it, L2-normalised.
"""

from __future__ import annotations

import io
import json
import math
import time as time_module
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.records import Floats, FrameTracks, Image, Step
from relaytrack.pipeline.render.palette import IdentityColors, Rgb
from relaytrack.pipeline.render.pauses import SHORTENED, is_long
from relaytrack.pipeline.results.folder import write_atomically, write_bytes
from relaytrack.pipeline.sinks.crop_quality import CropJudge
from relaytrack.pipeline.sinks.crops import CropStrip
from relaytrack.trackers.textfile import read_text

NAME = "identities.json"
EMBEDDINGS = "embeddings.npz"
_GAP = 2.0
_UNKNOWN = 0.7  # `_Live.similarity` where there is nothing to compare
_MOST_CUTS = 10_000
_MOST_CROPS = 8  # of a track that comes back after its pictures moved to the disk


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


@dataclass(slots=True)
class _Live:
    record: TrackRecord
    identity: int
    strip: CropStrip | None = None
    embedding: Floats | None = None  # weighted sum

    def similarity(self, embedding: Floats) -> float:
        """A factor for the quality of a picture, 0.01..1: less where it looks unlike the track's pictures so far."""
        if self.embedding is None or not np.isfinite(embedding).all():
            return _UNKNOWN
        mean = self.embedding / max(float(np.linalg.norm(self.embedding)), 1e-12)
        return max(0.1, float(mean @ embedding)) ** 2


class IdentitiesSink:
    """Collects tracks and their best pictures; memory does not grow with a track's length.

    Args:
        folder: the output folder.
        cameras: the cameras' names.
        crops: keep pictures.
        keep: tracks that are remembered at the most; the ones seen longest ago go first, with their pictures.
        every: seconds (of real time) between two intermediate versions of identities.json.
        idle: seconds of the run's clock without a box after which a track's picture moves from memory to disk.
        retain: seconds of the run's clock after which pictures and embeddings of a person who has not been seen
            again are deleted; None keeps them.
        colors: the identities' colours.
    """

    name = "identities"

    def __init__(
        self,
        folder: Path,
        cameras: Sequence[str],
        *,
        crops: bool = True,
        keep: int = 20_000,
        every: float = 10.0,
        idle: float = 30.0,
        retain: float | None = None,
        colors: IdentityColors | None = None,
    ) -> None:
        self._folder = folder
        self._cameras = {name: CameraRecord() for name in cameras}
        self._judges = {name: CropJudge() for name in cameras}
        self._crops = crops
        self.needs_pixels = crops
        self._zero: float | None = None  # seconds since 1970 at the run's time 0
        self._keep = keep
        self._every = every
        self._idle = idle
        self._retain = retain
        self._colors = colors or IdentityColors()
        self._tracks: OrderedDict[tuple[str, int], _Live] = OrderedDict()
        self._due = time_module.monotonic() + every
        self._swept = -math.inf

    def write(self, step: Step) -> None:
        """Count the step's tracks and look for better pictures.

        Raises:
            OutputError: a picture or the list cannot be written.
        """
        for tracks in step:
            frame = tracks.frame
            if self._zero is None and frame.epoch is not None:
                self._zero = frame.epoch - frame.time
            self._take(tracks, step.images.get(frame.camera))
        now = step.time
        if now - self._swept > self._idle / 3:
            self._swept = now
            self._sweep(now)
        if time_module.monotonic() > self._due:
            self._save(final=False)

    def _take(self, tracks: FrameTracks, image: Image | None) -> None:
        frame = tracks.frame
        time = round(frame.time, 3)
        self._cameras.setdefault(frame.camera, CameraRecord()).seen(frame.index, time)
        quality = self._judges.setdefault(frame.camera, CropJudge()).judge(tracks)
        embedded = np.isfinite(tracks.embeddings.sum(axis=1)) if tracks.embeddings.size else None
        for row, (track, identity) in enumerate(zip(tracks.ids.tolist(), tracks.global_ids.tolist(), strict=True)):
            key = (frame.camera, track)
            live = self._tracks.get(key)
            if live is None:
                live = _Live(TrackRecord(frame.camera, track, time, time), identity)
                self._tracks[key] = live
            live.identity = identity
            live.record.seen(time)
            self._tracks.move_to_end(key)
            if self._crops and image is not None:
                live.strip = live.strip or CropStrip()
                similarity = 1.0 if embedded is None else live.similarity(tracks.embeddings[row])
                live.strip.offer(image, tracks.xyxy[row], float(quality[row]) * similarity, time)
            if embedded is not None and embedded[row]:
                weighted = tracks.embeddings[row] * quality[row]
                live.embedding = weighted if live.embedding is None else live.embedding + weighted

    def _sweep(self, now: float) -> None:
        """Move the pictures of tracks that have ended to the disk; forget the oldest tracks beyond `keep`."""
        for live in self._tracks.values():  # seen longest ago first
            if live.record.last >= now - self._idle:
                break
            self._store(live)
        while len(self._tracks) > self._keep:
            _, live = self._tracks.popitem(last=False)
            self._purge(live)
        if self._retain is not None:
            self._expire(now - self._retain)

    def _purge(self, live: _Live) -> None:
        """Delete a track's pictures and embedding."""
        live.strip = live.embedding = None
        for crop in live.record.crops:
            (self._folder / crop["file"]).unlink(missing_ok=True)
        live.record.crops.clear()

    def _expire(self, limit: float) -> None:
        """Delete what shows people who were last seen before `limit`."""
        recent = {live.identity for live in self._tracks.values() if live.record.last >= limit}
        for live in self._tracks.values():  # seen longest ago first
            if live.record.last >= limit:
                break
            if live.record.crops or live.embedding is not None:
                self._purge(live)
                if live.identity not in recent:
                    (self._folder / f"crops/{live.identity}.jpg").unlink(missing_ok=True)

    def _store(self, live: _Live) -> None:
        """Write a track's pictures and free their memory."""
        strip, live.strip = live.strip, None
        record = live.record
        for crop in strip.crops if strip else ():
            if len(record.crops) >= _MOST_CROPS:
                return
            name = f"crops/{record.camera}/{record.track}-{len(record.crops) + 1}.jpg"
            write_bytes(self._folder / name, crop.data, durable=False)
            record.crops.append({"time": crop.time, "quality": round(crop.quality, 2), "file": name})

    def _save(self, *, final: bool) -> None:
        if final:
            for live in self._tracks.values():
                self._store(live)
        records = [(live.record, live.identity) for live in self._tracks.values()]
        started = time_module.monotonic()
        zero, colors = self._zero, self._colors
        write_identities(self._folder, self._cameras, records, pictures=final, clock_zero=zero, colors=colors)
        if final:
            self._save_embeddings()
        ended = time_module.monotonic()
        self._due = ended + max(self._every, 50.0 * (ended - started))  # a long list is written more rarely

    def _save_embeddings(self) -> None:
        known = [(key, live.embedding) for key, live in self._tracks.items() if live.embedding is not None]
        if not known:
            return
        vectors = np.stack([vector for _, vector in known])
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        data = io.BytesIO()
        np.savez(
            data,
            camera=np.array([camera for (camera, _), _ in known]),
            track=np.array([track for (_, track), _ in known], np.int64),
            embedding=vectors.astype(np.float32),
        )
        write_bytes(self._folder / EMBEDDINGS, data.getvalue())

    def camera_added(self, camera: CameraConfig) -> None:
        """List the camera."""
        self._cameras.setdefault(camera.name, CameraRecord())

    def camera_removed(self, name: str) -> None:
        """What it saw stays listed."""

    def close(self) -> None:
        """Write all pictures, the list and the embeddings."""
        self._save(final=True)


def write_identities(
    folder: Path,
    cameras: Mapping[str, CameraRecord],
    tracks: Iterable[tuple[TrackRecord, int]],
    *,
    pictures: bool = True,
    clock_zero: float | None = None,
    colors: IdentityColors | None = None,
) -> None:
    """Group tracks to identities; write identities.json and each identity's picture, `crops/<id>.jpg`.

    Args:
        folder: the output folder.
        cameras: what came of each camera.
        tracks: every track with its identity.
        pictures: write the identities' pictures too, and remove those of ids that are no more.
        clock_zero: seconds since the epoch at the run's time 0, for live runs.
        colors: the identities' colours; None keeps those of the file that is there.

    Raises:
        OutputError: a file cannot be written.
    """
    groups: dict[int, list[TrackRecord]] = {}
    for record, identity in tracks:
        groups.setdefault(identity, []).append(record)
    colors = colors or stored_colors(folder)
    identities = [_identity(identity, groups[identity], colors.of(identity)) for identity in sorted(groups)]
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


def _identity(identity: int, records: list[TrackRecord], color: Rgb) -> dict[str, Any]:
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
    """

    cameras: dict[str, CameraRecord]
    tracks: list[tuple[TrackRecord, int]]
    clock_zero: float | None = None
    colors: dict[int, Rgb] = field(default_factory=dict)


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
        )
    except (AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{NAME} holds something else") from error


def _track(values: dict[str, Any]) -> TrackRecord:
    """A track's record; every value that others rely on is looked at (ValueError, KeyError, TypeError)."""
    record = TrackRecord(**values)
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
