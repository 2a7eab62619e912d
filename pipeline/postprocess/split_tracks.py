"""Cutting tracks of a finished run in two at a moment, so that their later parts can be given to somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from relaytrack.pipeline.results.identities import CameraRecord, TrackRecord
from relaytrack.pipeline.results.identities_writing import write_identities
from relaytrack.pipeline.results.run_data import RunData
from relaytrack.pipeline.results.track_rows import read_rows, write_rows
from relaytrack.trackers.identities.types import TrackKey


def cut_tracks(folder: Path, data: RunData, tracks: Sequence[TrackRecord], time: float) -> list[TrackKey]:
    """Give the part of tracks from a moment on a number of its own, in `tracks/` and identities.json.

    Nothing else changes: both parts belong to the same person still. Pictures go with their moment, the embedding
    stays with the earlier part.

    Args:
        folder: the run's folder.
        data: what it holds.
        tracks: each begins before `time` and ends at or after it.
        time: seconds of the run's clock.

    Returns:
        the new tracks.

    Raises:
        OutputError: a file cannot be read or written.
    """
    everyone = [(track, person) for person, mine in data.people.items() for track in mine]
    out: list[TrackKey] = []
    parts: dict[TrackKey, tuple[TrackRecord, TrackRecord]] = {}
    for track in tracks:
        used = [other.track for other, _ in everyone if other.camera == track.camera]
        number = max([*used, *(new for camera, new in out if camera == track.camera)]) + 1
        earlier, later = _lines_cut(folder, data.cameras[track.camera], track, number, time)
        parts[track.camera, track.track] = (
            _part(track, track.track, earlier, _clipped(track.spans, None, time), (None, time)),
            _part(track, number, later, _clipped(track.spans, time, None), (time, None)),
        )
        out.append((track.camera, number))
    final = []
    for track, person in everyone:
        both = parts.get((track.camera, track.track), (track,))
        final += [(part, person) for part in both]
    write_identities(folder, data.cameras, final)
    return out


def frame_at(record: CameraRecord, time: float) -> int:
    """The first frame at or after a moment, by the camera's mean rate."""
    if record.first is None or record.last is None or record.last <= record.first:
        return 1
    steps = (record.last_index - 1) * (time - record.first) / (record.last - record.first)
    return 1 + max(0, -int(-(steps - 1e-3) // 1))


def _lines_cut(folder: Path, record: CameraRecord, track: TrackRecord, number: int, time: float) -> tuple[int, int]:
    """Rename a track's later lines; how many lines each part has."""
    rows = read_rows(folder, "tracks", track.camera)
    mine = rows.ids == track.track
    late = mine & (rows.frames >= frame_at(record, time))
    write_rows(folder, "tracks", track.camera, rows.named(np.where(late, number, rows.ids)))
    return int(np.count_nonzero(mine & ~late)), int(np.count_nonzero(late))


def _clipped(spans: Sequence[Sequence[float]], low: float | None, high: float | None) -> list[list[float]]:
    out = []
    for begin, end in spans:
        if (low is not None and end < low) or (high is not None and begin >= high):
            continue
        out.append(
            [begin if low is None else max(begin, low), end if high is None else min(end, round(high - 0.001, 3))]
        )
    return out


def _part(
    track: TrackRecord,
    number: int,
    frames: int,
    spans: list[list[float]],
    limits: tuple[float | None, float | None],
) -> TrackRecord:
    low, high = limits
    crops = [
        crop for crop in track.crops if (low is None or crop["time"] >= low) and (high is None or crop["time"] < high)
    ]
    first, last = spans[0][0], spans[-1][1]
    return replace(track, track=number, first=first, last=last, frames=frames, spans=spans, crops=crops)
