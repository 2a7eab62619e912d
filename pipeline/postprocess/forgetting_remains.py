"""Forgetting somebody in a folder whose run.json or identities.json is gone or damaged: an erasure cannot wait.

Nothing can be drawn anew there. The person's lines, events, embeddings and pictures go as from a whole run; the videos
of the cameras that saw them, the mosaic and the report are deleted.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.postprocess.finished_run import config_of
from relaytrack.pipeline.postprocess.forgetting import former
from relaytrack.pipeline.postprocess.waiting_events import forget_waiting, spools_of
from relaytrack.pipeline.results.correction import (
    Correction,
    correct_embeddings,
    correct_events,
    correct_pair,
    correct_pictures,
)
from relaytrack.pipeline.results.earlier_starts import STORE
from relaytrack.pipeline.results.events_file import read_events
from relaytrack.pipeline.results.folder import MARKER, writing
from relaytrack.pipeline.results.identities import NAME, read_identities
from relaytrack.pipeline.results.identities_writing import write_identities
from relaytrack.pipeline.results.requests import NAME as REQUESTS
from relaytrack.pipeline.results.requests import Requests
from relaytrack.pipeline.results.run_data import load_run
from relaytrack.pipeline.results.run_file import RUN_FILE
from relaytrack.pipeline.results.run_lock import is_held
from relaytrack.pipeline.results.track_rows import KINDS, TrackRows, row_keys, rows_left_in
from relaytrack.trackers import IdentityStore
from relaytrack.trackers.identities.types import TrackKey

LOG = logging.getLogger(__name__)


def what_is_gone(folder: Path, *, delete_videos: bool) -> InputError | None:
    """Why the folder of a run can only be emptied of a person as `forget_in_remains` does.

    None for a whole run, a run that goes on (it writes its list anew), and what is no folder of RelayTrack; also for a
    run of another version, whose videos that version can draw anew, unless they are to be deleted.
    """
    if not (folder / MARKER).is_file() or is_held(folder):
        return None
    try:
        data = load_run(folder)
    except InputError as error:
        return error
    if not data.run:
        return InputError(f"{folder / RUN_FILE}: gone, or empty")
    try:
        config_of(folder, data)
    except InputError as error:
        return error if delete_videos else None
    return None


def forget_in_remains(folder: Path, person: int) -> None:
    """Remove a person from what is left of a run; the source footage is not touched.

    Args:
        folder: the run's folder.
        person: whom.

    Raises:
        InputError: nothing there tells of them.
        OutputError: a file cannot be read, written or deleted.
        StoreError: the store of identities cannot be written.
    """
    pairs, events = list(_pairs(folder)), list(read_events(folder))
    keys = _keys(folder, person, pairs, events)
    if not keys and not (folder / "crops" / f"{person}.jpg").exists():
        raise InputError(f"{folder}: nothing there tells of a person {person}")
    names = {person} | {number for one in events for number in former(one, keys)}
    if (folder / REQUESTS).exists():
        names |= {old for old, new in Requests(folder).merged().items() if new == person}
    correction = Correction("forget", person, 0, dict.fromkeys(keys, (-math.inf, math.inf)))
    for camera, own, shared in pairs:
        correct_pair(own, shared, camera, correction)
    correct_embeddings(folder, correction)
    correct_pictures(folder, correction)
    _correct_list(folder, correction)
    _delete_views(folder, {camera for camera, _ in keys})
    _forget_in_files(folder, correction, names)
    correct_events(folder, correction)  # the last: until now they tell what else is the person's


def _keys(
    folder: Path, person: int, pairs: Sequence[tuple[str, Path, Path]], events: Sequence[Mapping[str, Any]]
) -> set[TrackKey]:
    """A person's tracks: by the list of people, else by the lines, else by the events."""
    known = _listed(folder)
    if known:
        return {key for key, identity in known.items() if identity == person}
    keys = {key for camera, own, shared in pairs for key in _shown_as(camera, own, shared, person)}
    return keys or {
        (event["camera"], event["track"])
        for event in events
        if event.get("identity") == person
        and isinstance(event.get("camera"), str)
        and isinstance(event.get("track"), int)
    }


def _listed(folder: Path) -> dict[TrackKey, int]:
    """The identity of every track, by the list of people; none where it is gone or damaged."""
    try:
        return {(record.camera, record.track): identity for record, identity in read_identities(folder).tracks}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _pairs(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Every camera's files of lines, with those of `global/` beside: single ones, and a live run's segments."""
    names = {path.relative_to(folder / kind) for kind in KINDS for path in (folder / kind).glob("*.txt")}
    names |= {path.relative_to(folder / kind) for kind in KINDS for path in (folder / kind).glob("*/*.txt")}
    for name in sorted(names):
        camera = name.parent.name or name.stem
        yield camera, folder / "tracks" / name, folder / "global" / name


def _shown_as(camera: str, own: Path, shared: Path, person: int) -> set[TrackKey]:
    """Tracks whose lines carry the person's number."""
    rows, lines = rows_left_in(own) or TrackRows.none(), rows_left_in(shared) or TrackRows.none()
    theirs = set(row_keys(lines.pick(lines.ids == person)))
    tracks = rows.ids[np.array([key in theirs for key in row_keys(rows)], bool)]
    return {(camera, track) for track in np.unique(tracks).tolist()}


def _correct_list(folder: Path, correction: Correction) -> None:
    """Write the list without the person; one that cannot be read is deleted."""
    path = folder / NAME
    if not path.exists():
        return
    try:
        known = read_identities(folder)
    except (OSError, ValueError, KeyError, TypeError):
        with writing(path, "delete"):
            path.unlink()
        LOG.warning("%s is damaged; it is deleted, since it may tell of the person", path)
        return
    left = [(one, who) for one, who in known.tracks if not correction.concerns(one.camera, one.track, who)]
    write_identities(folder, known.cameras, left, clock_zero=known.clock_zero)


def _delete_views(folder: Path, cameras: set[str]) -> None:
    """Delete videos and the report, which cannot be made anew; it is told."""
    found = [folder / "report.html"]
    for name in (*sorted(cameras), "mosaic"):
        found += [folder / "video" / f"{name}.mp4", *sorted((folder / "video" / name).glob("*.mp4"))]
    gone = [path for path in found if path.exists()]
    for path in gone:
        with writing(path, "delete"):
            path.unlink()
    if gone:
        told = ", ".join(path.relative_to(folder).as_posix() for path in gone[:8])
        LOG.warning("%s: deleted, since they cannot be made anew: %s", folder, told + (", ..." if gone[8:] else ""))


def _forget_in_files(folder: Path, correction: Correction, names: set[int]) -> None:
    """The store of identities, as far as it is known where it lies, and events that wait for their receivers."""
    stores, spools = {folder / STORE}, spools_of(folder)
    try:
        config = config_of(folder, load_run(folder))
    except InputError:
        LOG.warning("%s: a store of identities outside of it is not known", folder)
    else:
        stores |= {Path(config.output.store)} if config.output.store is not None else set()
        spools |= spools_of(folder, config.sinks)
    for path in sorted(one for one in stores if one.exists()):
        with IdentityStore(path) as store:
            store.forget(sorted(names))
    forget_waiting(spools, correction)
