"""`identities.json`, `crops/` and `embeddings.npz`: who was seen where and when; see `pipeline.results`."""

from __future__ import annotations

import math
import time as time_module
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import InputError, OutputError
from relaytrack.pipeline.records import Floats, FrameTracks, Image, Step
from relaytrack.pipeline.render.palette import IdentityColors
from relaytrack.pipeline.results.correction import Correction, correct_embeddings, correct_pictures
from relaytrack.pipeline.results.embeddings import EMBEDDINGS, read_embeddings, write_embeddings
from relaytrack.pipeline.results.folder import write_bytes
from relaytrack.pipeline.results.grounds import Former
from relaytrack.pipeline.results.identities import NAME, CameraRecord, TrackRecord, read_identities, write_identities
from relaytrack.pipeline.sinks.crop_quality import CropJudge
from relaytrack.pipeline.sinks.crops import CropStrip

_UNKNOWN = 0.7  # `_Live.similarity` where there is nothing to compare
_MOST_CROPS = 8  # of a track that comes back after its pictures moved to the disk


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

    def recall(self) -> None:
        """Take over what an earlier start has left in the folder.

        Raises:
            OutputError: it cannot be read.
        """
        if not (self._folder / NAME).exists():
            return
        try:
            known = read_identities(self._folder)
            stored = self._folder / EMBEDDINGS
            keys, vectors = read_embeddings(stored) if stored.exists() else ([], np.zeros((0, 0), np.float32))
        except (OSError, ValueError, KeyError, TypeError, InputError) as error:
            raise OutputError(f"{self._folder / NAME}: cannot be read; the run cannot go on") from error
        embeddings = dict(zip(keys, vectors, strict=True))
        self._zero = known.clock_zero
        self._cameras = {**self._cameras, **known.cameras}
        for record, identity in sorted(known.tracks, key=lambda track: track[0].last):
            key = (record.camera, record.track)
            self._tracks[key] = _Live(record, identity, embedding=embeddings.get(key))

    def write(self, step: Step) -> None:
        """Count the step's tracks and look for better pictures.

        Raises:
            OutputError: a picture or the list cannot be written.
        """
        for change in step.revisions:
            known = self._tracks.get((change.camera, change.track))
            if known is not None:
                known.record.was(Former(change.old, round(step.time, 3), change.kind, change.score))
                known.identity = change.new
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
        looks = self._looks()
        if final and looks:
            write_embeddings(self._folder / EMBEDDINGS, list(looks), np.stack(list(looks.values())))
        write_identities(
            self._folder,
            self._cameras,
            records,
            pictures=final,
            clock_zero=self._zero,
            colors=self._colors,
            embeddings=looks,
        )
        ended = time_module.monotonic()
        self._due = ended + max(self._every, 50.0 * (ended - started))  # a long list is written more rarely

    def _looks(self) -> dict[tuple[str, int], Floats]:
        """The tracks' mean embeddings, unit vectors."""
        known = [(key, live.embedding) for key, live in self._tracks.items() if live.embedding is not None]
        if not known:
            return {}
        vectors = np.stack([vector for _, vector in known])
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return dict(zip([key for key, _ in known], vectors, strict=True))

    def camera_added(self, camera: CameraConfig) -> None:
        """List the camera."""
        self._cameras.setdefault(camera.name, CameraRecord())

    def camera_removed(self, name: str) -> None:
        """What it saw stays listed."""

    def bring_up_to_date(self) -> None:
        """Write the list as it is now.

        Raises:
            OutputError: it cannot be written.
        """
        self._save(final=False)

    def corrected(self, correction: Correction) -> None:
        """Give tracks another identity, or forget them.

        Raises:
            OutputError: a file cannot be written.
        """
        for key, live in list(self._tracks.items()):
            if not correction.concerns(*key, live.identity):
                continue
            live.identity = correction.new
            if correction.kind == "forget":
                self._purge(live)
                del self._tracks[key]
        correct_pictures(self._folder, correction)
        correct_embeddings(self._folder, correction)
        self._save(final=False)

    def close(self) -> None:
        """Write all pictures, the list and the embeddings."""
        self._save(final=True)
