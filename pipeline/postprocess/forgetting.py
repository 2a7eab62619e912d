"""Forgetting somebody: a person is removed from everything that a finished run left behind."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from relaytrack.pipeline.postprocess.covering import cover, is_whole
from relaytrack.pipeline.postprocess.finished_run import FinishedRun, Progress, Videos, delete_videos, refresh
from relaytrack.pipeline.postprocess.lines_left import LinesLeft
from relaytrack.pipeline.postprocess.redraw import Pairs, discard, redraw, replace
from relaytrack.pipeline.postprocess.waiting_events import forget_waiting, spools_of
from relaytrack.pipeline.results.correction import Correction, correct_embeddings, correct_events, times
from relaytrack.pipeline.results.correction_checks import tracks_of
from relaytrack.pipeline.results.events_file import read_events
from relaytrack.pipeline.results.hidden_rows import HiddenRows, forgotten_path, read_hidden, write_hidden
from relaytrack.pipeline.results.identities_writing import write_identities
from relaytrack.pipeline.results.track_rows import write_rows
from relaytrack.pipeline.sinks.crops import remove_pictures
from relaytrack.trackers import IdentityStore
from relaytrack.trackers.identities.types import TrackKey

LOG = logging.getLogger(__name__)


def forget(run: FinishedRun, person: int, *, videos: Videos = "redraw", progress: Progress | None = None) -> None:
    """Remove a person from everything that a run left behind.

    Their lines, events, embeddings and pictures are deleted, also from the run's store of identities and from what
    waits for receivers of events, and every
    video that shows them is drawn anew with them covered, or deleted. The source footage is not touched. What is
    missing or damaged in the folder is told and hinders nothing: a video in which nobody can tell any more where the
    person is, is deleted.

    Args:
        run: the run.
        person: whom.
        videos: what to do with the videos that show them.
        progress: told the share that is done.

    Raises:
        InputError: an unknown number.
        SourceError: a video cannot be drawn anew because its source is gone; nothing was changed.
        OutputError: a file cannot be written, or another correction is at work there.
    """
    with run.alone():
        _forget(run, person, videos, progress)


def _forget(run: FinishedRun, person: int, videos: Videos, progress: Progress | None) -> None:
    """See `forget`."""
    tracks = tracks_of(run.data.people, person)
    keys = {(track.camera, track.track) for track in tracks}
    shown = sorted({track.camera for track in tracks})
    known = [camera.name for camera in run.config.cameras]
    lines = {name: LinesLeft.of(run.folder, name) for name in dict.fromkeys((*known, *shown))}
    rows = {name: found.without(name, keys, run.ids) for name, found in lines.items()}
    covers = {name: cover(run, name, keys, lines[name]) for name in shown}
    wrong = (
        [*shown, "mosaic"] if videos == "delete" else _not_coverable(run, keys, {name: lines[name] for name in shown})
    )
    before = {name: read_hidden(forgotten_path(run.folder, name)) for name in shown}
    ready: list[Path] = []
    try:
        for name in shown:
            earlier = before[name] or HiddenRows.of()
            write_hidden(forgotten_path(run.folder, name), earlier.joined(covers[name]))
        if videos == "redraw":
            pairs = {name: (parallel, shared) for name, (_, shared, parallel) in rows.items()}
            ready = _redrawn(run, [name for name in (*shown, "mosaic") if name not in wrong], pairs, progress)
        for name in shown:
            if lines[name].own is not None:
                write_rows(run.folder, "tracks", name, rows[name][0])
            if lines[name].shared is not None:
                write_rows(run.folder, "global", name, rows[name][1])
    except BaseException:
        discard(ready)
        for name, boxes in before.items():
            write_hidden(forgotten_path(run.folder, name), boxes)
        raise
    replace(ready)
    delete_videos(run, wrong)
    _forget_elsewhere(run, person, keys)
    refresh(run.folder, run.config)


def _not_coverable(run: FinishedRun, keys: set[TrackKey], lines: Mapping[str, LinesLeft]) -> list[str]:
    """Videos that would go on showing the person, since no line tells where they are; it is told."""
    wrong = [name for name, found in lines.items() if not is_whole(run, name, keys, found)]
    for name in wrong:
        LOG.warning("camera '%s': its lines are missing or damaged, so its video and the mosaic are deleted", name)
    return [*wrong, "mosaic"] if wrong else []


def _redrawn(run: FinishedRun, names: Sequence[str], pairs: Pairs, progress: Progress | None) -> list[Path]:
    """Draw those of the videos anew that are there."""
    there = [name for name in names if (run.folder / "video" / f"{name}.mp4").exists()]
    if not run.config.output.video or not there:
        return []
    output = run.config.output.model_copy(update={"mosaic": run.config.output.mosaic and "mosaic" in there})
    config = run.config.model_copy(update={"output": output})
    return redraw(config, [name for name in there if name != "mosaic"], pairs, progress, threading.Event())


def _forget_elsewhere(run: FinishedRun, person: int, keys: set[TrackKey]) -> None:
    """Pictures, embeddings, identities.json, events, those that wait for receivers, and the store of identities."""
    folder, data = run.folder, run.data
    names = {person}  # and their numbers in the store, which does not know corrections by hand
    names |= {number for event in read_events(folder) for number in former(event, keys)}
    for track in data.people[person]:
        remove_pictures(folder, [str(crop["file"]) for crop in track.crops])
    remove_pictures(folder, [f"crops/{person}.jpg"])
    correction = Correction("forget", person, 0, times(data.people[person]))
    correct_embeddings(folder, correction)
    left = [(track, other) for other, tracks in data.people.items() if other != person for track in tracks]
    write_identities(folder, data.cameras, left)
    correct_events(folder, correction)
    forget_waiting(spools_of(folder, run.config.sinks), correction)
    if run.config.output.store is not None and Path(run.config.output.store).exists():
        with IdentityStore(run.config.output.store) as store:
            store.forget(sorted(names))


def former(event: Mapping[str, Any], keys: set[TrackKey]) -> list[int]:
    """The number that one of the tracks had before it was corrected by hand."""
    manual = event.get("kind") == "manual" and (event.get("camera"), event.get("track")) in keys
    return [int(event["old"])] if manual else []
