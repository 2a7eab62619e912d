"""`identities.json`, `crops/` and `embeddings.npz`: who was seen where and when; see `pipeline.results`."""

from __future__ import annotations

import math
import time as time_module
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.events.former import Former
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.records import Floats, FrameTracks, Image, Step
from relaytrack.pipeline.results.correction import Correction, correct_embeddings, correct_pictures
from relaytrack.pipeline.results.earlier_starts import earlier_people
from relaytrack.pipeline.results.embeddings import EMBEDDINGS, write_embeddings
from relaytrack.pipeline.results.grounds import MOST_TRACKS
from relaytrack.pipeline.results.identities import CameraRecord, TrackRecord
from relaytrack.pipeline.results.identities_writing import Records, write_people
from relaytrack.pipeline.sinks.all_tracks import mean_looks, people
from relaytrack.pipeline.sinks.crop_quality import CropJudge
from relaytrack.pipeline.sinks.crops import remove_pictures
from relaytrack.pipeline.sinks.ended_tracks import EndedTracks
from relaytrack.pipeline.sinks.live_track import LiveTrack


class IdentitiesSink:
    """Collects tracks and their best pictures; memory does not grow with a track's length, nor with their number.

    Args:
        folder: the output folder.
        cameras: the cameras' names.
        crops: keep pictures.
        keep: tracks that are listed at the most; the ones seen longest ago go first, with their pictures.
        every: seconds (of real time) between two intermediate versions of identities.json.
        idle: seconds of the run's clock without a box after which a track moves from memory to disk.
        retain: seconds of the run's clock after which pictures and embeddings of a person who has not been seen
            again are deleted; None keeps them.
        colors: the identities' colours.
        network: the mark of the network that makes the embeddings.
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
        network: bytes | None = None,
    ) -> None:
        self._folder, self._network = folder, network
        self._cameras = {name: CameraRecord() for name in cameras}
        self._judges = {name: CropJudge() for name in cameras}
        self._crops = crops
        self.needs_pixels = crops
        self._zero: float | None = None  # seconds since 1970 at the run's time 0
        self._keep = keep
        self._every = every
        self._idle = idle if retain is None else min(idle, retain)
        self._retain = retain
        self._colors = colors or IdentityColors()
        self._tracks: OrderedDict[tuple[str, int], LiveTrack] = OrderedDict()  # seen lately
        self._ended = EndedTracks(folder)
        self._due = time_module.monotonic()  # the first version at once: a run may be killed at any moment
        self._swept = -math.inf

    def recall(self) -> None:
        """Take over what an earlier start has left in the folder.

        Raises:
            OutputError: it cannot be read.
        """
        found = earlier_people(self._folder)
        if found is None:
            return
        known, embeddings = found
        self._zero = known.clock_zero
        self._cameras = {**self._cameras, **known.cameras}
        for record, identity in sorted(known.tracks, key=lambda track: track[0].last):
            self._ended.put(record, identity, embeddings.get((record.camera, record.track)))

    def write(self, step: Step) -> None:
        """Count the step's tracks and look for better pictures.

        Raises:
            OutputError: a picture or the list cannot be written.
        """
        for change in step.revisions:
            former = Former(change.old, round(step.time, 3), change.kind, change.score)
            key = (change.camera, change.track)
            known = self._tracks.get(key)
            if known is not None:
                known.record.was(former)
                known.identity = change.new
            else:
                self._ended.rename(key, change.new, former)
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
                live = self._tracks[key] = self._again(key) or LiveTrack(TrackRecord(*key, time, time), identity)
            live.identity = identity
            live.record.seen(time)
            self._tracks.move_to_end(key)
            if self._crops and image is not None:
                similarity = 1.0 if embedded is None else live.similarity(tracks.embeddings[row])
                live.offer(image, tracks.xyxy[row], float(quality[row]) * similarity, time)
            if embedded is not None and embedded[row]:
                live.add(tracks.embeddings[row] * quality[row])

    def _again(self, key: tuple[str, int]) -> LiveTrack | None:
        """A track that had ended and is seen again."""
        found = self._ended.take(key)
        return None if found is None else LiveTrack(found[0], found[1], embedding=found[2])

    def _sweep(self, now: float) -> None:
        """Move tracks that have ended to the disk; forget the oldest ones beyond `keep`."""
        while self._tracks:
            live = next(iter(self._tracks.values()))  # seen longest ago
            if live.record.last >= now - self._idle:
                break
            live.store(self._folder)
            self._ended.put(live.record, live.identity, live.embedding)
            self._tracks.popitem(last=False)
        while len(self._ended) and len(self._ended) + len(self._tracks) > self._keep:
            self._delete_pictures(self._ended.take_first())
        if self._retain is not None:
            self._expire(now - self._retain)

    def _delete_pictures(self, record: TrackRecord) -> None:
        remove_pictures(self._folder, [crop["file"] for crop in record.crops])

    def _expire(self, limit: float) -> None:
        """Delete what shows people who were last seen before `limit`."""
        present = {live.identity for live in self._tracks.values() if live.record.last >= limit}
        for record, identity in self._ended.hide(limit):
            self._delete_pictures(record)
            if identity not in present and not self._ended.seen_since(identity, limit):
                remove_pictures(self._folder, [f"crops/{identity}.jpg"])

    def _save(self, *, final: bool) -> None:
        if final:
            for live in self._tracks.values():
                live.store(self._folder)
        started = time_module.monotonic()
        looks = self._looks(final=final)
        if final and looks:
            write_embeddings(self._folder / EMBEDDINGS, list(looks), np.stack(list(looks.values())), self._network)
        write_people(
            self._folder,
            self._cameras,
            self._people,
            pictures=final,
            clock_zero=self._zero,
            colors=self._colors,
            embeddings=looks,
        )
        ended = time_module.monotonic()
        self._due = ended + max(self._every, 50.0 * (ended - started))  # a long list is written more rarely

    def _people(self) -> Iterator[tuple[int, Records]]:
        """Every identity with what reads its tracks; see `all_tracks.people`."""
        return people(self._ended, self._tracks.values())

    def _looks(self, *, final: bool) -> dict[tuple[str, int], Floats]:
        """The tracks' mean embeddings; before the end none where they are too many to be compared."""
        return mean_looks(self._ended, self._tracks, None if final else MOST_TRACKS)

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
        for key, identity in [*self._ended.keys(), *((key, live.identity) for key, live in self._tracks.items())]:
            if not correction.concerns(*key, identity):
                continue
            if correction.kind == "forget":
                live = self._tracks.pop(key, None) or self._again(key)
                assert live is not None, "it is in one of the two"
                self._delete_pictures(live.record)
            elif key in self._tracks:
                self._tracks[key].identity = correction.new
            else:
                self._ended.rename(key, correction.new)
        correct_pictures(self._folder, correction)
        correct_embeddings(self._folder, correction)
        self._save(final=False)

    def close(self) -> None:
        """Write all pictures, the list and the embeddings."""
        self._save(final=True)
        self._ended.close()
