"""People of the site: a sink that keeps who was seen where and when, with their best pictures and looks."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from relaytrack.pipeline.clock import steady_time
from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.records import Crops, FrameTracks, Image, Step
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.server import people_rows
from relaytrack.pipeline.server.live_sighting import LiveSighting
from relaytrack.pipeline.server.people_questions import PeopleQuestions
from relaytrack.pipeline.server.store import SiteStore
from relaytrack.pipeline.sinks.crop_quality import CropJudge
from relaytrack.trackers.identities.types import TrackKey

_FLUSH = 1.0  # seconds between two writes
_IDLE = 30.0  # seconds unseen after which a track leaves the memory


class People(PeopleQuestions):
    """Keeps sightings; what is seen now is in memory and goes to the store every second.

    Args:
        store: the site's memory.
        run: a number of this start, since track ids begin anew with each.
        retain: seconds after which sightings are deleted; None keeps them.
        on_return: told of (identity, camera) when a watched person is seen anew.
    """

    name = "site-people"
    on_error = "retry"  # a full disk does not stay full
    needs_pixels = True

    def __init__(
        self,
        store: SiteStore,
        *,
        run: int | None = None,
        retain: float | None = None,
        on_return: Callable[[int, str, int], None] | None = None,
    ) -> None:
        super().__init__(store)
        self._run = int(time.time() * 1000) if run is None else run
        self.retain = retain
        self._on_return = on_return
        self._tracks: dict[TrackKey, LiveSighting] = {}
        self._judges: dict[str, CropJudge] = {}
        self._changing = threading.RLock()
        self._due = self._swept = 0.0
        self._forgotten: set[TrackKey] = set()
        # what operators said; steps that were on their way at that moment still have the old numbers
        self._alias = self.merged()
        self._own: dict[TrackKey, int] = {}

    # the sink

    def write(self, step: Step) -> None:
        """Take note of a step.

        Raises:
            OutputError: the disk is full.
        """
        with self._changing:
            if step.revisions:
                self.flush()
                with self._store.writing() as database:
                    for change in step.revisions:
                        key = (change.camera, change.track)
                        self._revise(database, key, change.new, change.old, change.kind, change.score)
                for old, new in {(change.old, change.new) for change in step.revisions}:
                    self._move_name(old, new)
            now = time.monotonic()
            if now > self._due:  # before anything is counted: a step whose writing fails is handed over again
                self.flush()
                self._due = now + _FLUSH
            for tracks in step:
                self._take(tracks, step.images.get(tracks.frame.camera), step.crops)

    def _revise(
        self, database: sqlite3.Connection, key: TrackKey, new: int, old: int, kind: str, score: float | None = None
    ) -> None:
        if key in self._forgotten:
            return
        known = self._tracks.get(key)
        if known is not None:
            known.identity = new
        people_rows.revise(database, (self._run, *key), new, old, kind, score)

    def _move_name(self, old: int, new: int) -> None:
        """Give the name of a number that nobody has any more to the person's new number."""
        if self._store.rows("SELECT 1 FROM sightings WHERE identity = ? LIMIT 1", (old,)):
            return
        with self._store.writing() as database:
            people_rows.move_name(database, old, new)

    def _take(self, tracks: FrameTracks, image: Image | None, crops: Crops) -> None:
        frame = tracks.frame
        moment = frame.epoch if frame.epoch is not None else time.time()
        quality = self._judges.setdefault(frame.camera, CropJudge()).judge(tracks)
        embedded = np.isfinite(tracks.embeddings.sum(axis=1)) if tracks.embeddings.size else None
        for row, (track, identity) in enumerate(zip(tracks.ids.tolist(), tracks.global_ids.tolist(), strict=True)):
            key = (frame.camera, track)
            if not identity or key in self._forgotten:
                continue
            identity = self._own.get(key, self._alias.get(identity, identity))
            seen = self._tracks.get(key)
            if seen is None:
                self._returned(identity, frame.camera, track)  # first: what fails here is tried again
                seen = self._tracks[key] = LiveSighting(identity, moment, moment)
            good = float(quality[row])
            seen.see(identity, moment)
            if image is not None:
                seen.offer(image, tracks.xyxy[row], good)
            if key in crops and crops[key][0] > seen.quality:
                seen.quality, seen.picture = crops[key]
            if embedded is not None and embedded[row]:
                seen.add(tracks.embeddings[row] * max(good, 1e-3))

    def _returned(self, identity: int, camera: str, track: int) -> None:
        """Tell of a watched person who comes into a camera's view."""
        if self._on_return is None:
            return
        row = self._store.rows("SELECT watched FROM people WHERE identity = ?", (identity,))
        if row and row[0]["watched"]:
            self._on_return(identity, camera, track)

    def flush(self) -> None:
        """Write what has changed, and let go of tracks that have ended.

        Raises:
            OutputError: the disk is full.
        """
        with self._changing:
            changed = [(key, seen) for key, seen in self._tracks.items() if seen.dirty]
            if changed:
                with self._store.writing() as database:
                    people_rows.write_sightings(database, [seen.values(self._run, *key) for key, seen in changed])
                for _, seen in changed:
                    seen.dirty = False
            newest = max((seen.last for seen in self._tracks.values()), default=0.0)
            for key in [key for key, seen in self._tracks.items() if seen.last < newest - _IDLE]:
                del self._tracks[key]
                self._own.pop(key, None)
            if self.retain is not None and time.monotonic() > self._swept + 600.0:
                self._swept = time.monotonic()
                with self._store.writing() as database:
                    people_rows.expire(database, steady_time() - self.retain)

    def camera_added(self, camera: CameraConfig) -> None:
        """Nothing to do before its first frame."""

    def camera_removed(self, name: str) -> None:
        """Write what it saw; where the camera comes again, its track ids go on."""
        with self._changing:
            self.flush()
            for key in [key for key in self._tracks if key[0] == name]:
                del self._tracks[key]
            self._judges.pop(name, None)

    def close(self) -> None:
        """Write the rest."""
        self.flush()

    # what operators say

    def describe(self, identity: int, *, name: str | None = None, watched: bool | None = None) -> None:
        """Name a person, or watch for them."""
        with self._store.writing() as database:
            people_rows.describe(database, identity, name=name, watched=watched)

    def merge(self, keep: int, gone: int) -> None:
        """Count everything of `gone` as of `keep`, whose name stays unless there is none."""
        with self._changing:
            self.flush()
            for seen in self._tracks.values():
                if seen.identity == gone:
                    seen.identity = keep
            with self._store.writing() as database:
                people_rows.merge(database, keep, gone)
            self._alias = self.merged()
            for key in [key for key, identity in self._own.items() if identity == gone]:
                self._own[key] = keep

    def split(self, identity: int, sightings: Sequence[int]) -> tuple[int, list[TrackKey]]:
        """Give some of a person's sightings a number of their own.

        Returns:
            The new number, and the (camera, track) of those that belong to this start.
        """
        with self._changing:
            self.flush()
            with self._store.writing() as database:
                new, rows = people_rows.split(database, identity, sightings)
            now = [(camera, track) for run, camera, track in rows if run == self._run]
            for key in now:
                if key in self._tracks:
                    self._tracks[key].identity = self._own[key] = new
        return new, now

    def forget(self, identity: int) -> int:
        """Delete a person's sightings, pictures, looks, name and events; returns how many sightings there were.

        Somebody who is in view now is left out until they come back as another track.
        """
        with self._changing:
            self.flush()
            here = [key for key, seen in self._tracks.items() if seen.identity == identity]
            for key in here:
                del self._tracks[key]
            self._forgotten.update(here)
            with self._store.writing() as database:
                gone = people_rows.forget(database, identity)
        return max(gone, len(here))

    def corrected(self, correction: Correction) -> None:
        """Take over a correction that was made elsewhere, for example on the command line.

        Raises:
            OutputError: the disk is full.
        """
        if correction.kind == "forget":
            self.forget(correction.person)
            with self._changing:
                self._forgotten.update(correction.tracks)
        elif correction.kind == "merge":
            self.merge(correction.new, correction.person)
        else:
            with self._changing:
                self.flush()
                with self._store.writing() as database:
                    for camera, track in correction.tracks:
                        self._revise(database, (camera, track), correction.new, correction.person, "manual")
