"""The second pass over files: everything that carries provisional identities is replaced by the final version.

`tracks/` holds what the tracker found. `global/` and the videos also show people in the short gaps between (`filling`).

Text is rewritten from `tracks/`, videos are drawn anew from the sources. Each new file is first completed beside the
one that it replaces. When all are ready, each takes its place in one atomic step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.events.former import Former
from relaytrack.pipeline.postprocess.filling import fill
from relaytrack.pipeline.postprocess.redraw import discard, make_seekable, redraw, replace
from relaytrack.pipeline.records import Ints
from relaytrack.pipeline.results.events_file import append_revisions
from relaytrack.pipeline.results.identities import NAME, CameraRecord, read_identities
from relaytrack.pipeline.results.identities_writing import write_identities
from relaytrack.pipeline.results.track_rows import TrackRows, read_rows, row_keys, same_rows, write_rows
from relaytrack.pipeline.tracking.backfill import Earlier, EarlierBoxes, beginnings

FinalIds = Mapping[tuple[str, int], int]
"""(camera, track id) -> final identity."""


def finalize(
    config: Config,
    final_ids: FinalIds,
    earlier: Earlier | None = None,
    *,
    progress: Callable[[float], None] | None = None,
    stop: threading.Event | None = None,
    kind: Literal["final", "manual"] = "final",
) -> bool:
    """Bring the outputs of a finished run over files to their final identities.

    A camera whose video already shows the final identities keeps it. If that holds for all cameras, the mosaic is kept
    too.

    Args:
        config: the run's configuration.
        final_ids: the identity of every track; a track that is not in it keeps its provisional one.
        earlier: boxes of tracks from before they were confirmed, to be filled in.
        progress: told the share that is done, 0..1.
        stop: set to give up; the provisional files then stay as they are.
        kind: what the events call the changes.

    Returns:
        Whether all outputs are final now.

    Raises:
        OutputError: a file cannot be written; the provisional files stay.
        SourceError: a source cannot be read again.
    """
    stop = stop or threading.Event()
    folder = config.output.folder
    names = [camera.name for camera in config.cameras]
    final = {name: _final_rows(folder, name, final_ids, (earlier or {}).get(name)) for name in names}
    for name, record in _records(folder).items():
        if name in final:
            final[name] = final[name].filled(record, config.output.fill_gaps)
    changed = [name for name in names if not same_rows(folder, "global", name, final[name].identities)]
    videos: list[Path] = []
    try:
        if config.output.video:
            if changed:
                pairs = {name: (rows.drawn, rows.identities) for name, rows in final.items()}
                videos = redraw(config, changed, pairs, progress, stop)
            videos += make_seekable(folder, (*names, "mosaic"), videos, stop)
        if stop.is_set():
            return False
        for name in names:
            if not same_rows(folder, "tracks", name, final[name].tracks):
                write_rows(folder, "tracks", name, final[name].tracks)
        for name in changed:
            write_rows(folder, "global", name, final[name].identities)
        replace(videos)
        regroup(folder, final_ids, kind)
    finally:
        discard(videos)
    if progress:
        progress(1.0)
    return True


def regroup(folder: Path, final_ids: FinalIds, kind: Literal["final", "manual"] = "final") -> None:
    """Give the tracks of identities.json, if there is one, other identities, and tell of the changes in the events.

    Raises:
        OutputError: a file cannot be read or written.
    """
    if not (folder / NAME).exists():
        return
    known = read_identities(folder)
    final = [(record, final_ids.get((record.camera, record.track), old)) for record, old in known.tracks]
    end = max((track.last for track, _ in final), default=0.0)
    for (record, old), (_, new) in zip(known.tracks, final, strict=True):
        if old != new:
            record.was(Former(old, end, kind))
    write_identities(folder, known.cameras, final, clock_zero=known.clock_zero)
    changes = [
        (record.camera, record.track, old, new)
        for (record, old), (_, new) in zip(known.tracks, final, strict=True)
        if old != new
    ]
    append_revisions(folder, changes, end, kind, zero=known.clock_zero)


@dataclass(frozen=True, slots=True, eq=False)
class _Final:
    """The final lines of one camera, in the order of frames.

    Attributes:
        tracks: of `tracks/`.
        drawn: the rows of `global/` with track ids; parallel to `identities`.
        identities: of `global/`.
    """

    tracks: TrackRows
    drawn: TrackRows
    identities: TrackRows

    def filled(self, record: CameraRecord, seconds: float) -> _Final:
        """The same with boxes in gaps of up to `seconds`; see `filling.fill`."""
        return _Final(self.tracks, *fill(self.drawn, self.identities, self.tracks.frames, record, seconds))


def _records(folder: Path) -> Mapping[str, CameraRecord]:
    """What came of each camera; nothing where the run wrote no identities.json."""
    return read_identities(folder).cameras if (folder / NAME).exists() else {}


def _identities(folder: Path, camera: str, own: TrackRows, final_ids: FinalIds) -> Ints:
    """The final identity of every row of `tracks/`; those that are not known keep their provisional one.

    Raises:
        OutputError: `tracks/` and `global/` do not belong together.
    """
    known = np.array([final_ids.get((camera, track), 0) for track in own.ids.tolist()], np.int64)
    if (known > 0).all():
        return known
    provisional = read_rows(folder, "global", camera)
    if row_keys(provisional) == row_keys(own):  # line by line, as a first pass leaves them
        return np.where(known > 0, known, provisional.ids)
    shown = dict(zip(row_keys(provisional), provisional.ids.tolist(), strict=True))
    keys = row_keys(own)
    of_track = {track: shown[key] for track, key in zip(own.ids.tolist(), keys, strict=True) if key in shown}
    before = [shown.get(key, of_track.get(track, 0)) for track, key in zip(own.ids.tolist(), keys, strict=True)]
    ids = np.where(known > 0, known, np.array(before, np.int64))
    if (ids == 0).any():
        raise OutputError(f"{folder}: tracks/{camera}.txt and global/{camera}.txt do not belong together")
    return ids


def _final_rows(folder: Path, camera: str, final_ids: FinalIds, earlier: EarlierBoxes | None) -> _Final:
    """The lines of `tracks/<camera>.txt` with final identities, earlier boxes filled in.

    In `global/` an identity occurs at most once in a frame. Where two tracks turned out to be one person, the box of
    higher score is kept. What is written can be read and brought to the same identities again without a change.

    Raises:
        OutputError: the lines cannot be read or do not belong together.
    """
    tracks = read_rows(folder, "tracks", camera)
    ids = _identities(folder, camera, tracks, final_ids)
    if earlier is not None:
        early = beginnings(tracks, earlier)
        of_track = dict(zip(tracks.ids.tolist(), ids.tolist(), strict=True))
        ids = np.concatenate([ids, np.array([of_track[track] for track in early.ids.tolist()], np.int64)])
        tracks = TrackRows.joined([tracks, early])
    order = tracks.in_order()
    tracks, ids = TrackRows.parse(tracks.pick(order).text()), ids[order]
    kept: dict[tuple[int, int], int] = {}
    for row, key in enumerate(zip(tracks.frames.tolist(), ids.tolist(), strict=True)):
        if key not in kept or tracks.scores[row] > tracks.scores[kept[key]]:
            kept[key] = row
    drawn = tracks.pick(list(kept.values()))
    return _Final(tracks, drawn, drawn.named(ids[list(kept.values())]))
