"""Correcting a live run by hand, from another program: while it goes on, after it ended, or after it was killed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.postprocess.cover_segments import cover_segments
from relaytrack.pipeline.postprocess.finished_run import config_of, refresh
from relaytrack.pipeline.postprocess.waiting_events import forget_waiting, spools_of
from relaytrack.pipeline.results.correction import (
    Correction,
    Kind,
    correct_embeddings,
    correct_events,
    correct_pictures,
    correct_rows,
    tracks_shown_as,
)
from relaytrack.pipeline.results.correction_plan import as_kind, plan, told
from relaytrack.pipeline.results.earlier_starts import with_store
from relaytrack.pipeline.results.events_file import append_revisions
from relaytrack.pipeline.results.identities import TrackRecord, read_identities
from relaytrack.pipeline.results.identities_writing import write_identities
from relaytrack.pipeline.results.requests import Request, Requests, settle
from relaytrack.pipeline.results.run_data import RunData, load_run
from relaytrack.pipeline.results.run_file import known_of_run
from relaytrack.trackers import IdentityStore

_PATIENCE = 120.0  # seconds that a run gets to answer
_LAST_MOMENTS = 30.0  # seconds for which a killed run may have written lines of a track that its list does not tell of


def is_live_run(folder: Path) -> bool:
    """Whether a folder is that of a live run, which is corrected here; it may have seen nobody yet."""
    info = known_of_run(folder)
    return info.get("final") is not True and isinstance(info.get("clock_zero"), int | float)


def correct_live_run(
    folder: Path, kind: Kind, wanted: Mapping[str, Any], *, patience: float = _PATIENCE, held: Collection[Path] = ()
) -> str:
    """Carry a correction out; a run that goes on does it itself.

    Args:
        folder: the run's folder.
        kind: what is asked for.
        wanted: as of `pipeline.results.requests.Request`.
        patience: seconds that a run that goes on gets.
        held: spools that are in use by the caller's own sinks, which have followed the correction already.

    Returns:
        What was done, in one line.

    Raises:
        InputError: a number or track is unknown, or people cannot be one.
        OutputError: a file cannot be written, or the run has not answered.
    """
    return settle(folder, kind, dict(wanted), partial(_carry_out, folder, Requests(folder), held), patience)


def _carry_out(folder: Path, requests: Requests, held: Collection[Path], request: Request) -> str:
    """One request, in the folder of a run that does not go on; what was done, in one line.

    Raises:
        InputError: it makes no sense.
        OutputError: a file cannot be written.
    """
    data = load_run(folder)
    config = with_store(config_of(folder, data))
    if request.plan is not None:
        planned = [Correction.of_json(request.plan)]
    else:
        try:
            wanted = {**request.wanted, "zero": data.clock_zero or 0.0}
            people = data.people | _not_listed(config, data, wanted)
            planned = plan(as_kind(request.kind), wanted, people)
        except InputError as error:
            raise InputError(f"{folder}: {error}") from None
    for correction in planned:
        if correction.kind == "forget":
            correction = _complete(folder, config, correction)
            requests.note(request.id, "begun", plan=correction.as_json())  # a kill may come between
        correct_rows(folder, correction)
        correct_events(folder, correction)
        correct_embeddings(folder, correction)
        correct_pictures(folder, correction)
        _correct_list(folder, correction)
        if correction.kind == "forget":
            cover_segments(folder, correction)
            _forget_in_store(config, correction, requests)
            forget_waiting(spools_of(folder, config.sinks) - set(held), correction)
    refresh(folder, config)
    return told(planned)


def _not_listed(config: Config, data: RunData, wanted: Mapping[str, Any]) -> dict[int, list[TrackRecord]]:
    """The person asked for, where only the store tells of them, as after a kill before the list was written again."""
    person, store = wanted.get("person"), config.output.store
    if not isinstance(person, int) or person in data.people or store is None or not Path(store).exists():
        return {}
    zero = wanted["zero"]
    with IdentityStore(store) as file:
        known = [(one.camera, one.track, one.first - zero, one.last - zero) for one in file.tracks(person)]
    mine = [TrackRecord(*one) for one in known if one[2] >= -_LAST_MOMENTS]  # else of another folder's run
    return {person: mine} if mine else {}


def _complete(folder: Path, config: Config, correction: Correction) -> Correction:
    """The correction with tracks that only the store and the lines tell of, as after a kill."""
    tracks = dict(correction.tracks)
    if config.output.store is not None and Path(config.output.store).exists():
        with IdentityStore(config.output.store) as store:
            for track in store.tracks(correction.person):
                seen = track.first - correction.zero, track.last - correction.zero
                if seen[0] >= -_LAST_MOMENTS:  # else of another folder's run
                    tracks.setdefault((track.camera, track.track), seen)
    tracks = {key: (first, last + _LAST_MOMENTS) for key, (first, last) in tracks.items()}
    correction = replace(correction, tracks=tracks)
    more = tracks_shown_as(folder, correction)
    return replace(correction, tracks={**more, **tracks})


def _correct_list(folder: Path, correction: Correction) -> None:
    """Change identities.json and the people's pictures, and tell of it in the events."""
    known = read_identities(folder)
    left, changes = [], []
    for record, identity in known.tracks:
        if not correction.concerns(record.camera, record.track, identity):
            left.append((record, identity))
        elif correction.new:
            left.append((record, correction.new))
            changes.append((record.camera, record.track, identity, correction.new))
    write_identities(folder, known.cameras, left, clock_zero=known.clock_zero)
    end = max((record.last for record, _ in known.tracks), default=0.0)
    append_revisions(folder, changes, end, "manual", zero=known.clock_zero)


def _forget_in_store(config: Config, correction: Correction, requests: Requests) -> None:
    """The store of identities."""
    names = {correction.person} | {old for old, new in requests.merged().items() if new == correction.person}
    if config.output.store is not None and Path(config.output.store).exists():
        zero = correction.zero
        since_1970 = {key: (zero + first, zero + last) for key, (first, last) in correction.tracks.items()}
        with IdentityStore(config.output.store) as store:
            store.forget(sorted(names), since_1970)
