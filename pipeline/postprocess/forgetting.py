"""Forgetting somebody: a person is removed from everything that a finished run left behind."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.pipeline.postprocess.covering import cover
from relaytrack.pipeline.postprocess.finished_run import (
    FinishedRun,
    Progress,
    TrackKey,
    Videos,
    delete_videos,
    refresh,
)
from relaytrack.pipeline.postprocess.redraw import discard, redraw, replace
from relaytrack.pipeline.results.correction import Correction, correct_embeddings, correct_events, times
from relaytrack.pipeline.results.correction_checks import tracks_of
from relaytrack.pipeline.results.events_file import read_events
from relaytrack.pipeline.results.hidden_rows import HiddenRows, forgotten_path, read_hidden, write_hidden
from relaytrack.pipeline.results.identities_writing import write_identities
from relaytrack.pipeline.results.track_rows import TrackRows, read_rows, row_keys, write_rows
from relaytrack.pipeline.sinks.crops import remove_pictures
from relaytrack.trackers import IdentityStore


def forget(run: FinishedRun, person: int, *, videos: Videos = "redraw", progress: Progress | None = None) -> None:
    """Remove a person from everything that a run left behind.

    Their lines, events, embeddings and pictures are deleted, also from the run's store of identities, and every
    video that shows them is drawn anew with them covered, or deleted. The source footage is not touched.

    Args:
        run: the run.
        person: whom.
        videos: what to do with the videos that show them.
        progress: told the share that is done.

    Raises:
        InputError: an unknown number.
        SourceError: a video cannot be drawn anew because its source is gone; nothing was changed.
    """
    tracks = tracks_of(run.data.people, person)
    keys = {(track.camera, track.track) for track in tracks}
    shown = sorted({track.camera for track in tracks})
    rows = {camera.name: _without(run.folder, camera.name, keys, run.ids) for camera in run.config.cameras}
    covers = {name: cover(run, name, keys) for name in shown}
    before = {name: read_hidden(forgotten_path(run.folder, name)) for name in shown}
    ready: list[Path] = []
    try:
        for name in shown:
            known = before[name] or HiddenRows.of()
            write_hidden(forgotten_path(run.folder, name), known.joined(covers[name]))
        if run.config.output.video and videos == "redraw":
            pairs = {name: (parallel, shared) for name, (_, shared, parallel) in rows.items()}
            ready = redraw(run.config, shown, pairs, progress, threading.Event())
        for name in shown:
            write_rows(run.folder, "tracks", name, rows[name][0])
            write_rows(run.folder, "global", name, rows[name][1])
    except BaseException:
        discard(ready)
        for name, boxes in before.items():
            write_hidden(forgotten_path(run.folder, name), boxes)
        raise
    replace(ready)
    if videos == "delete":
        delete_videos(run, [*shown, "mosaic"])
    _forget_elsewhere(run, person, keys)
    refresh(run.folder, run.config)


def _without(
    folder: Path, camera: str, keys: set[TrackKey], ids: Mapping[TrackKey, int]
) -> tuple[TrackRows, TrackRows, TrackRows]:
    """The rows of `tracks/` and of `global/` without some tracks, and the latter with track ids.

    A row of `global/` that is in no track fills a gap, and has the track of its identity's last box.
    """
    own = read_rows(folder, "tracks", camera)
    kept = own.pick(np.array([(camera, track) not in keys for track in own.ids.tolist()], bool))
    track_of = dict(zip(row_keys(own), own.ids.tolist(), strict=True))
    gone = {ids[key] for key in keys}
    shared = read_rows(folder, "global", camera)
    places: list[tuple[int, int]] = []
    last: dict[int, int] = {}
    for row, (key, identity) in enumerate(zip(row_keys(shared), shared.ids.tolist(), strict=True)):
        track = track_of.get(key, last.get(identity))
        if track is not None and identity not in gone and (camera, track) not in keys:
            last[identity] = track
            places.append((row, track))
    left = shared.pick([row for row, _ in places])
    return kept, left, left.named([track for _, track in places])


def _forget_elsewhere(run: FinishedRun, person: int, keys: set[TrackKey]) -> None:
    """Pictures, embeddings, identities.json, events and the store of identities."""
    folder, data = run.folder, run.data
    names = {person}  # and their numbers in the store, which does not know corrections by hand
    names |= {number for event in read_events(folder) for number in _former(event, keys)}
    for track in data.people[person]:
        remove_pictures(folder, [str(crop["file"]) for crop in track.crops])
    remove_pictures(folder, [f"crops/{person}.jpg"])
    correction = Correction("forget", person, 0, times(data.people[person]))
    correct_embeddings(folder, correction)
    left = [(track, other) for other, tracks in data.people.items() if other != person for track in tracks]
    write_identities(folder, data.cameras, left)
    correct_events(folder, correction)
    if run.config.output.store is not None and Path(run.config.output.store).exists():
        with IdentityStore(run.config.output.store) as store:
            store.forget(sorted(names))


def _former(event: Mapping[str, Any], keys: set[TrackKey]) -> list[int]:
    """The number that one of the tracks had before it was corrected by hand."""
    manual = event.get("kind") == "manual" and (event.get("camera"), event.get("track")) in keys
    return [int(event["old"])] if manual else []
