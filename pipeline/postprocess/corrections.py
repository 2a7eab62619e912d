"""Correcting a finished run by hand: merge people, split one, or forget somebody altogether."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.postprocess.finalize import finalize
from relaytrack.pipeline.postprocess.redraw import discard, forgotten_path, redraw, replace
from relaytrack.pipeline.postprocess.split_tracks import cut_tracks
from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.report import write_report
from relaytrack.pipeline.results.embeddings import EMBEDDINGS, read_embeddings, write_embeddings
from relaytrack.pipeline.results.events_file import drop_events, read_events
from relaytrack.pipeline.results.folder import write_atomically, write_bytes, writing
from relaytrack.pipeline.results.identities import CameraRecord, TrackRecord, write_identities
from relaytrack.pipeline.results.run_data import RunData, load_run
from relaytrack.pipeline.results.track_rows import TrackRows, read_rows, row_keys, write_rows
from relaytrack.pipeline.sinks.crops import remove_pictures
from relaytrack.trackers import IdentityStore

Videos = Literal["redraw", "delete"]
TrackKey = tuple[str, int]
Progress = Callable[[float], None]
_AROUND = 0.7  # seconds before and after a track in which its first and last box are covered
_GAP = 3.0  # seconds between two boxes that are bridged


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run over files that can be corrected."""

    folder: Path
    config: Config
    data: RunData

    @property
    def ids(self) -> dict[TrackKey, int]:
        """The identity of every track."""
        return {(track.camera, track.track): person for person, tracks in self.data.people.items() for track in tracks}


def open_run(folder: Path) -> Run:
    """Read a run's folder for correcting.

    Raises:
        InputError: it holds no run, a live one, or one whose files are not final.
    """
    data = load_run(folder)
    try:
        config = Config.model_validate(data.run["config"])
    except (KeyError, ValidationError) as error:
        raise InputError(f"{folder / 'run.json'}: holds no configuration of this version of RelayTrack") from error
    if data.run.get("final") is not True:
        raise InputError(f"{folder}: only a run over files that came to its end can be corrected")
    output = config.output.model_copy(update={"dir": str(folder)})
    return Run(folder, config.model_copy(update={"output": output}), data)


def merge(run: Run, people: Sequence[int], *, videos: Videos = "redraw", progress: Progress | None = None) -> int:
    """Make several people one, who keeps the first one's number.

    Returns:
        That number.

    Raises:
        InputError: an unknown number, or people who were in one camera at the same time.
        SourceError: a video cannot be drawn anew because its source is gone.
    """
    if len(set(people)) < 2:
        raise InputError("merge needs at least two different people")
    groups = [_tracks_of(run, person) for person in people]
    for number, group in enumerate(groups):
        for other in groups[number + 1 :]:
            _check_apart(group, other)
    ids = run.ids
    for group in groups[1:]:
        ids.update({(track.camera, track.track): people[0] for track in group})
    _apply(run, ids, videos, progress)
    return people[0]


def split(
    run: Run, person: int, tracks: Sequence[TrackKey], *, videos: Videos = "redraw", progress: Progress | None = None
) -> int:
    """Give some tracks of a person a number of their own.

    Returns:
        The new number.

    Raises:
        InputError: an unknown number or track, or all tracks of the person.
        SourceError: a video cannot be drawn anew because its source is gone.
    """
    own = {(track.camera, track.track) for track in _tracks_of(run, person)}
    for key in tracks:
        if key not in own:
            raise InputError(f"track {key[0]}:{key[1]} is not one of person {person}")
    if not tracks or set(tracks) == own:
        raise InputError(f"split needs some but not all tracks of person {person}")
    new = max(run.data.people) + 1
    _apply(run, run.ids | dict.fromkeys(tracks, new), videos, progress)
    return new


def split_at(run: Run, person: int, time: float, *, videos: Videos = "redraw", progress: Progress | None = None) -> int:
    """Give a person a new number from a moment on; tracks that go across it are cut in two.

    Args:
        run: a finished run.
        person: the number so far.
        time: seconds of the run's clock.
        videos: draw them anew, or delete those that would be wrong.
        progress: told the share that is done.

    Returns:
        The new number.

    Raises:
        InputError: an unknown number, or a moment before or after all that is seen of the person.
        SourceError: a video cannot be drawn anew because its source is gone.
    """
    tracks = _tracks_of(run, person)
    if not any(track.first < time for track in tracks) or not any(track.last >= time for track in tracks):
        seen = f"{min(track.first for track in tracks):.1f} to {max(track.last for track in tracks):.1f} s"
        raise InputError(f"person {person} is seen from {seen}: {time:g} s does not lie in between")
    across = [track for track in tracks if track.first < time <= track.last]
    late = [(track.camera, track.track) for track in tracks if track.first >= time]
    if across:
        late += cut_tracks(run.folder, run.data, across, time)
        run = open_run(run.folder)
    return split(run, person, late, videos=videos, progress=progress)


def _tracks_of(run: Run, person: int) -> list[TrackRecord]:
    if person not in run.data.people:
        raise InputError(f"{run.folder}: there is no person {person}")
    return run.data.people[person]


def _check_apart(some: Sequence[TrackRecord], others: Sequence[TrackRecord]) -> None:
    """Two people who were in one camera at once are not one.

    Raises:
        InputError: they were.
    """
    for one in some:
        for other in others:
            for a in one.spans:
                for b in other.spans:
                    if one.camera == other.camera and a[0] <= b[1] and b[0] <= a[1]:
                        raise InputError(
                            f"tracks {one.camera}:{one.track} and {other.camera}:{other.track} were in view at once, "
                            f"at {max(a[0], b[0]):.1f} s: they cannot be one person"
                        )


def _apply(run: Run, ids: Mapping[TrackKey, int], videos: Videos, progress: Progress | None) -> None:
    config = run.config
    drawn = config.output.video and videos == "redraw"
    output = config.output.model_copy(update={"video": drawn})
    finalize(config.model_copy(update={"output": output}), ids, progress=progress, kind="manual")
    if not drawn:
        _delete_videos(run, [*(camera.name for camera in config.cameras), "mosaic"])
    _finish(run)


def _delete_videos(run: Run, names: Sequence[str]) -> None:
    for name in names:
        path = run.folder / "video" / f"{name}.mp4"
        with writing(path, "delete"):
            path.unlink(missing_ok=True)


def _finish(run: Run) -> None:
    """Bring run.json's figures and the report up to date."""
    folder = run.folder
    data = load_run(folder)
    several = sum(len({track.camera for track in tracks}) > 1 for tracks in data.people.values())
    data.run["identities"] = {"count": len(data.people), "in_two_or_more_cameras": several}
    write_atomically(folder / "run.json", json.dumps(data.run, indent=2, ensure_ascii=False) + "\n")
    if (folder / "report.html").exists():
        write_report(folder, ground_planes(run.config))


def forget(run: Run, person: int, *, videos: Videos = "redraw", progress: Progress | None = None) -> None:
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
    tracks = _tracks_of(run, person)
    keys = {(track.camera, track.track) for track in tracks}
    shown = sorted({track.camera for track in tracks})
    rows = {camera.name: _without(run.folder, camera.name, keys, run.ids) for camera in run.config.cameras}
    covers = {name: _cover_lines(run, name, keys) for name in shown}
    before = {name: _bytes(forgotten_path(run.folder, name)) for name in shown}
    ready: list[Path] = []
    try:
        for name in shown:
            write_bytes(forgotten_path(run.folder, name), _merged(before[name] or b"", covers[name]))
        if run.config.output.video and videos == "redraw":
            pairs = {name: (parallel, shared) for name, (_, shared, parallel) in rows.items()}
            ready = redraw(run.config, shown, pairs, progress, threading.Event())
        for name in shown:
            write_rows(run.folder, "tracks", name, rows[name][0])
            write_rows(run.folder, "global", name, rows[name][1])
    except BaseException:
        discard(ready)
        for name, content in before.items():
            if content is None:
                forgotten_path(run.folder, name).unlink(missing_ok=True)
            else:
                write_bytes(forgotten_path(run.folder, name), content)
        raise
    replace(ready)
    if videos == "delete":
        _delete_videos(run, [*shown, "mosaic"])
    _forget_elsewhere(run, person, keys)
    _finish(run)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _without(
    folder: Path, camera: str, keys: set[TrackKey], ids: Mapping[TrackKey, int]
) -> tuple[TrackRows, TrackRows, TrackRows]:
    """The rows of `tracks/` and of `global/` without some tracks, and the track rows parallel to the latter."""
    own = read_rows(folder, "tracks", camera)
    kept = own.pick(np.array([(camera, track) not in keys for track in own.ids.tolist()], bool))
    track_of = dict(zip(row_keys(kept), range(len(kept)), strict=True))
    gone = {ids[key] for key in keys}
    shared = read_rows(folder, "global", camera)
    places = [
        (row, track_of[key])
        for row, (key, identity) in enumerate(zip(row_keys(shared), shared.ids.tolist(), strict=True))
        if identity not in gone and key in track_of
    ]
    return kept, shared.pick([row for row, _ in places]), kept.pick([row for _, row in places])


def _cover_lines(run: Run, camera: str, keys: set[TrackKey]) -> Floats:
    """Rows (frame, x1, y1, x2, y2) that cover a person in every frame, gaps bridged, in pixels of the image."""
    lines = read_rows(run.folder, "tracks", camera)
    record = run.data.cameras[camera]
    rate = _frame_rate(record)
    roi = next((found.roi for found in run.config.cameras if found.name == camera), None)
    origin = np.array((*roi[:2], *roi[:2]) if roi else (0, 0, 0, 0), np.float64)
    covers = []
    for _, track in sorted(key for key in keys if key[0] == camera):
        rows = lines.pick(lines.ids == track)
        if len(rows):
            gap, around = max(1, round(_GAP * rate)), max(1, round(_AROUND * rate))
            covers.append(_bridged(rows.frames, rows.xyxy - origin, gap, around))
    found: Floats = np.concatenate(covers).astype(np.float32) if covers else np.zeros((0, 5), np.float32)
    return found


def _frame_rate(record: CameraRecord) -> float:
    """Frames of the source per second."""
    if record.first is None or record.last is None or record.last <= record.first:
        return 25.0
    return record.last_index / (record.last - record.first)


def _bridged(frames: np.ndarray[Any, Any], boxes: np.ndarray[Any, Any], gap: int, around: int) -> np.ndarray[Any, Any]:
    """Boxes (N, 4) of frames (N,), with those of short gaps put in between and the ends held for a while."""
    order = np.argsort(frames, kind="stable")
    frames, boxes = frames[order], boxes[order]
    every = np.arange(max(1, frames[0] - around), frames[-1] + around + 1)
    after = np.searchsorted(frames, every)
    distance = np.minimum(
        np.abs(every - frames[np.clip(after - 1, 0, len(frames) - 1)]),
        np.abs(every - frames[np.clip(after, 0, len(frames) - 1)]),
    )
    near = every[distance <= max(gap // 2, around)]
    sides = [np.interp(near, frames, boxes[:, side]) for side in range(4)]
    return np.column_stack([near, *sides])


def _merged(old: bytes, rows: Floats) -> bytes:
    """The text of covered boxes with more of them, sorted by frame."""
    lines: list[bytes] = old.splitlines(keepends=True)
    lines += [b"%d,%.1f,%.1f,%.1f,%.1f\n" % (int(row[0]), *row[1:]) for row in rows.tolist()]
    ordered: list[bytes] = sorted(lines, key=_frame_of)
    return b"".join(ordered)


def _frame_of(line: bytes) -> int:
    return int(line.split(b",", 1)[0])


def _forget_elsewhere(run: Run, person: int, keys: set[TrackKey]) -> None:
    """Pictures, embeddings, identities.json, events and the store of identities."""
    folder, data = run.folder, run.data
    for track in data.people[person]:
        remove_pictures(folder, [str(crop["file"]) for crop in track.crops])
    remove_pictures(folder, [f"crops/{person}.jpg"])
    _forget_embeddings(folder / EMBEDDINGS, keys)
    left = [(track, other) for other, tracks in data.people.items() if other != person for track in tracks]
    write_identities(folder, data.cameras, left)
    names = {person}  # and what the store, which knows of no correction by hand, calls them
    names |= {number for event in read_events(folder) for number in _former(event, keys)}
    drop_events(folder, lambda event: _tells_of(event, person, keys))
    if run.config.output.store is not None and Path(run.config.output.store).exists():
        with IdentityStore(run.config.output.store) as store:
            store.forget(sorted(names))


def _forget_embeddings(path: Path, keys: set[TrackKey]) -> None:
    if not path.exists():
        return
    named, vectors = read_embeddings(path)
    kept = [row for row, key in enumerate(named) if key not in keys]
    write_embeddings(path, [named[row] for row in kept], vectors[kept])


def _former(event: Mapping[str, Any], keys: set[TrackKey]) -> list[int]:
    """The number that one of the tracks had before it was corrected by hand."""
    manual = event.get("kind") == "manual" and (event.get("camera"), event.get("track")) in keys
    return [int(event["old"])] if manual else []


def _tells_of(event: Mapping[str, Any], person: int, keys: set[TrackKey]) -> bool:
    return person in (event.get("identity"), event.get("old")) or (event.get("camera"), event.get("track")) in keys
