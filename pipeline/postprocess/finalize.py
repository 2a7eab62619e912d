"""The second pass over files: everything that carries provisional identities is replaced by the final version.

Text is rewritten from `tracks/`, videos are drawn anew from the sources. Each file is first completed beside the
one it replaces, and only when all are ready do they take their places, each in one atomic step.
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
from relaytrack.pipeline.postprocess.redraw import discard, make_seekable, redraw, replace
from relaytrack.pipeline.records import Floats, Ints
from relaytrack.pipeline.results.folder import write_bytes, writing
from relaytrack.pipeline.sinks.events import append_revisions
from relaytrack.pipeline.sinks.identities import NAME, read_identities, write_identities
from relaytrack.pipeline.sinks.mot import mot_line
from relaytrack.pipeline.tracking.backfill import Earlier, EarlierBoxes
from relaytrack.trackers.heads import mend_heads

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

    A camera whose drawn identities are the final ones already keeps its video; if that holds for all cameras,
    so does the mosaic.

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
    texts = {name: _final_text(folder, name, final_ids, (earlier or {}).get(name)) for name in names}
    changed = [name for name in names if texts[name].identities != _read(folder / "global" / f"{name}.txt")]
    videos: list[Path] = []
    try:
        if config.output.video:
            if changed:
                pairs = {name: text.pairs for name, text in texts.items()}
                videos = redraw(config, changed, pairs, progress, stop)
            videos += make_seekable(folder, (*names, "mosaic"), videos, stop)
        if stop.is_set():
            return False
        for name in changed:
            write_bytes(folder / "tracks" / f"{name}.txt", texts[name].tracks)
            write_bytes(folder / "global" / f"{name}.txt", texts[name].identities)
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
    write_identities(folder, known.cameras, final, clock_zero=known.clock_zero)
    changes = [
        (record.camera, record.track, old, new)
        for (record, old), (_, new) in zip(known.tracks, final, strict=True)
        if old != new
    ]
    append_revisions(folder, changes, max((track.last for track, _ in final), default=0.0), kind)


def _read(path: Path) -> bytes:
    with writing(path, "read"):
        return path.read_bytes()


@dataclass(frozen=True, slots=True)
class _Text:
    """The final lines of one camera, in the order of frames: `tracks/` and `global/`, and both in parallel."""

    tracks: bytes
    identities: bytes
    pairs: tuple[bytes, bytes]


def _drawn(own: list[bytes], camera: str, final_ids: FinalIds) -> list[bytes]:
    """The lines `own` with identities, as far as these are known."""
    lines = []
    for line in own:
        frame, track, rest = line.split(b",", 2)
        identity = final_ids.get((camera, int(track)))
        if identity is not None:
            lines.append(b"%s,%d,%s" % (frame, identity, rest))
    return lines


def _mended(own: list[bytes], frames: Ints, ids: Ints, boxes: Floats) -> Ints:
    """Track ids of boxes from before confirmation, set right by the confirmed ones, the lines `own`."""
    if len(ids) == 0 or not own:
        return ids
    table = np.array([line.split(b",", 6)[:6] for line in own]).astype(np.float64)
    confirmed = np.hstack([table[:, 2:4], table[:, 2:4] + table[:, 4:6]])
    early = np.arange(len(table) + len(ids)) >= len(table)
    joined = (
        np.concatenate([table[:, 0].astype(np.int64), frames]),
        np.concatenate([table[:, 1].astype(np.int64), ids]),
    )
    return mend_heads(*joined, np.concatenate([confirmed, boxes]), early)[len(table) :]


def _final_text(folder: Path, camera: str, final_ids: FinalIds, earlier: EarlierBoxes | None) -> _Text:
    """The lines of `tracks/<camera>.txt` with final identities, earlier boxes filled in.

    In `global/` an identity stands at most once in a frame: of two tracks found to be one person the surer box
    stays, and an earlier box enters only where its identity is not in that frame already.
    """
    own = _read(folder / "tracks" / f"{camera}.txt").splitlines(keepends=True)
    drawn = _read(folder / "global" / f"{camera}.txt").splitlines(keepends=True)
    if len(own) != len(drawn):  # earlier boxes were filled in already
        drawn = _drawn(own, camera, final_ids)
    if len(own) != len(drawn):
        raise OutputError(f"{folder}: tracks/{camera}.txt and global/{camera}.txt do not belong together")
    rows: list[tuple[int, bytes, bytes]] = []
    taken: set[tuple[int, int]] = set()
    tracks: list[tuple[int, bytes]] = []
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for line, provisional in zip(own, drawn, strict=True):
        frame, track, rest = line.split(b",", 2)
        identity = final_ids.get((camera, int(track)), int(provisional.split(b",", 2)[1]))
        tracks.append((int(frame), line))
        score, twin = float(rest.split(b",")[4]), best.get((int(frame), identity))
        row = (int(frame), line, b"%s,%d,%s" % (frame, identity, rest))
        if twin is None:
            best[int(frame), identity] = (score, len(rows))
            rows.append(row)
        elif score > twin[0]:  # two boxes of one person: the surer one stays
            best[int(frame), identity] = (score, twin[1])
            rows[twin[1]] = row
    taken.update(best)
    if earlier is not None:
        frames, ids, boxes, scores = earlier.rows()
        ids = _mended(own, frames, ids, boxes)
        for frame_number, track_id, box, score in zip(frames.tolist(), ids.tolist(), boxes, scores, strict=True):
            line = mot_line(frame_number, track_id, box, float(score))
            tracks.append((frame_number, line))
            known = final_ids.get((camera, track_id))
            if known is not None and (frame_number, known) not in taken:
                taken.add((frame_number, known))
                rows.append((frame_number, line, mot_line(frame_number, known, box, float(score))))
    rows.sort(key=lambda row: row[0])
    tracks.sort(key=lambda row: row[0])
    pairs = (b"".join(row[1] for row in rows), b"".join(row[2] for row in rows))
    return _Text(b"".join(line for _, line in tracks), pairs[1], pairs)
