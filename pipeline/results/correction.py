"""A correction of a live run by hand, and what it changes in the files of the run's folder.

The files of recordings are corrected in `pipeline.postprocess.corrections`. Those of a live run are many (segments),
and its sources are gone; only the segments in which somebody was seen are looked at.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from relaytrack.pipeline.dates import by_start
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.results.embeddings import EMBEDDINGS, read_marked_embeddings, write_embeddings
from relaytrack.pipeline.results.events_file import drop_events
from relaytrack.pipeline.results.folder import write_bytes, writing
from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.results.result_names import PARTIAL
from relaytrack.pipeline.results.track_rows import KINDS, TrackRows, read_rows_of, row_keys, rows_left_in
from relaytrack.trackers.identities.types import TrackKey

LOG = logging.getLogger(__name__)
Kind = Literal["merge", "split", "forget"]
BY_HAND = 100_001
"""The first number that is given by hand: the association never comes that far."""
_AROUND = 3.0  # seconds by which the names of segments (whole seconds) and the run's clock may differ


@dataclass(frozen=True, slots=True)
class Correction:
    """What is to be changed.

    Attributes:
        kind: two people are one, some tracks are somebody else, or a person is forgotten.
        person: the number so far: of who goes (merge), whose tracks are taken out (split), or who is forgotten.
        new: the number instead; 0 where there is none.
        tracks: the tracks concerned, with the first and last time at which each was seen, seconds on the run's clock.
        zero: seconds since 1970 at the run's time 0.
        delete_videos: videos that show a forgotten person are deleted, not covered.
    """

    kind: Kind
    person: int
    new: int
    tracks: Mapping[TrackKey, tuple[float, float]]
    zero: float = 0.0
    delete_videos: bool = False

    def concerns(self, camera: str, track: int, identity: int) -> bool:
        """Whether a track's line, event or picture changes."""
        return (camera, track) in self.tracks or (self.kind != "split" and identity == self.person)

    def spans(self, cameras: Iterable[str]) -> list[tuple[float, float]]:
        """When tracks of these cameras were seen, seconds since 1970, with a margin."""
        chosen = set(cameras)
        return [
            (self.zero + first - _AROUND, self.zero + last + _AROUND)
            for (camera, _), (first, last) in self.tracks.items()
            if camera in chosen
        ]

    def as_json(self) -> str:
        """The correction as text."""
        tracks = [[camera, track, first, last] for (camera, track), (first, last) in self.tracks.items()]
        values = {"kind": self.kind, "person": self.person, "new": self.new, "tracks": tracks, "zero": self.zero}
        return json.dumps({**values, "delete_videos": self.delete_videos})

    @staticmethod
    def of_json(text: str) -> Correction:
        """Read `as_json` back."""
        values = json.loads(text)
        tracks = {(camera, track): (first, last) for camera, track, first, last in values.pop("tracks")}
        return Correction(tracks=tracks, **values)


def times(tracks: Iterable[TrackRecord]) -> dict[TrackKey, tuple[float, float]]:
    """When tracks were seen, for `Correction.tracks`."""
    return {(track.camera, track.track): (track.first, track.last) for track in tracks}


def segments_of(folder: Path, spans: Sequence[tuple[float, float]]) -> list[Path]:
    """The segments in a camera's folder that some of the spans (seconds since 1970) touch.

    A segment ends at the latest where the next one begins.
    """
    found = by_start(folder.iterdir()) if folder.is_dir() else []
    ends = [*(start for start, _ in found[1:]), float("inf")][: len(found)]
    return [
        path
        for (start, path), end in zip(found, ends, strict=True)
        if any(first <= end + 1.0 and start <= last for first, last in spans)
    ]


def correct_rows(folder: Path, correction: Correction) -> None:
    """Change the lines of the tracks concerned, in `tracks/` and `global/`.

    Raises:
        OutputError: a file cannot be read or written.
    """
    for camera in sorted({camera for camera, _ in correction.tracks}):
        for name in _names_of(folder, camera, correction):
            correct_pair(folder / "tracks" / camera / name, folder / "global" / camera / name, camera, correction)


def tracks_shown_as(folder: Path, correction: Correction) -> dict[TrackKey, tuple[float, float]]:
    """Tracks whose lines carry the person's number, in the segments that the correction touches anyway.

    Raises:
        OutputError: a file cannot be read.
    """
    found: dict[TrackKey, tuple[float, float]] = {}
    most = max((last for _, last in correction.tracks.values()), default=0.0)
    for camera in sorted({camera for camera, _ in correction.tracks}):
        for name in _names_of(folder, camera, correction):
            rows = rows_left_in(folder / "tracks" / camera / name)
            lines = rows_left_in(folder / "global" / camera / name)
            if rows is not None and lines is not None:
                keys = set(row_keys(lines.pick(lines.ids == correction.person)))
                for key, track in zip(row_keys(rows), rows.ids.tolist(), strict=True):
                    if key in keys:
                        found[camera, track] = (0.0, most)
    return found


def _names_of(folder: Path, camera: str, correction: Correction) -> list[str]:
    """The files of a camera that a correction touches, in `tracks/`, in `global/` or in both."""
    spans = correction.spans([camera])
    found = [path.name for kind in KINDS for path in segments_of(folder / kind / camera, spans)]
    return sorted(set(found))


def correct_pair(own: Path, shared: Path, camera: str, correction: Correction) -> None:
    """Change one pair of files; of a forgotten person also what is left of a missing or damaged one.

    Args:
        own: a file of `tracks/`.
        shared: the one of `global/` beside it.
        camera: whose they are.
        correction: what is to be changed.

    Raises:
        OutputError: a file cannot be read or written.
    """
    read = rows_left_in if correction.kind == "forget" else read_rows_of
    rows = (read(own) if own.exists() else None) or TrackRows.none()
    mine = np.array([(camera, track) in correction.tracks for track in rows.ids.tolist()], bool)
    lines = read(shared) if shared.exists() else None
    if lines is not None:
        keys = {key for key, chosen in zip(row_keys(rows), mine.tolist(), strict=True) if chosen}
        theirs = np.array([key in keys for key in row_keys(lines)], bool)
        if correction.kind != "split":
            theirs |= lines.ids == correction.person
        if theirs.any():
            changed = (
                lines.pick(~theirs) if not correction.new else lines.named(np.where(theirs, correction.new, lines.ids))
            )
            write_bytes(shared, changed.text())
    if mine.any() and not correction.new:
        write_bytes(own, rows.pick(~mine).text())


def correct_events(folder: Path, correction: Correction) -> None:
    """Take the events of a forgotten person out; other corrections are told of by further events.

    Raises:
        OutputError: a file cannot be read or written.
    """
    if correction.kind == "forget":
        drop_events(folder, lambda event: tells_of(event, correction))


def tells_of(event: Mapping[str, Any], correction: Correction) -> bool:
    """Whether an event tells of the tracks or the person concerned."""
    key = (event.get("camera"), event.get("track"))
    return key in correction.tracks or correction.person in (event.get("identity"), event.get("old"))


def correct_embeddings(folder: Path, correction: Correction) -> None:
    """Take the embeddings of a forgotten person out; a damaged file goes altogether.

    Raises:
        OutputError: it cannot be written or deleted.
    """
    path = folder / EMBEDDINGS
    if correction.kind != "forget" or not path.exists():
        return
    try:
        keys, vectors, network = read_marked_embeddings(path)
    except InputError as error:
        with writing(path, "delete"):
            path.unlink()
        LOG.warning("%s; the file is deleted, since it may tell of the person", error)
        return
    kept = [row for row, key in enumerate(keys) if key not in correction.tracks]
    if len(kept) < len(keys):
        write_embeddings(path, [keys[row] for row in kept], vectors[kept], network)


def correct_pictures(folder: Path, correction: Correction) -> None:
    """Delete the pictures of a forgotten person, and half-written files, which may be of anybody.

    Raises:
        OutputError: one cannot be deleted.
    """
    crops = folder / "crops"
    gone = [crops / f"{correction.person}.jpg"] if correction.kind != "split" else []
    if correction.kind == "forget":
        gone += (path for camera, track in correction.tracks for path in (crops / camera).glob(f"{track}-*.jpg"))
        gone += crops.rglob(f"*{PARTIAL}")
    for path in gone:
        with writing(path, "delete"):
            path.unlink(missing_ok=True)
