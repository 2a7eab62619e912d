"""The boxes that hide a person whom a run is to forget, in every frame of a camera's video."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.postprocess.finished_run import FinishedRun, TrackKey
from relaytrack.pipeline.records import Ints
from relaytrack.pipeline.results.hidden_rows import HiddenRows
from relaytrack.pipeline.results.identities import CameraRecord
from relaytrack.pipeline.results.track_rows import read_rows, row_keys

_AROUND = 0.7  # seconds before and after a track in which its first and last box are covered
_GAP = 3.0  # seconds between two boxes that are bridged


def cover(run: FinishedRun, camera: str, keys: Collection[TrackKey]) -> HiddenRows:
    """The boxes that hide a person's tracks in every frame of a camera, also in those between two detections.

    Raises:
        OutputError: the track lines cannot be read.
    """
    lines = read_rows(run.folder, "tracks", camera)
    record = run.data.cameras[camera]
    rate = _frame_rate(record)
    roi = next((found.roi for found in run.config.cameras if found.name == camera), None)
    origin = np.array((*roi[:2], *roi[:2]) if roi else (0, 0, 0, 0), np.float64)
    covers = HiddenRows.of()
    for _, track in sorted(key for key in keys if key[0] == camera):
        rows = lines.pick(lines.ids == track)
        if len(rows):
            gap, around = max(1, round(_GAP * rate)), max(1, round(_AROUND * rate))
            covers = covers.joined(_bridged(rows.frames, rows.xyxy - origin, gap, around))
    shared = read_rows(run.folder, "global", camera)  # its boxes between two tracks
    mine = shared.pick(np.isin(shared.ids, list({run.ids[key] for key in keys})))
    found = set(row_keys(lines))
    filled = mine.pick(np.array([key not in found for key in row_keys(mine)], bool))
    return covers.joined(HiddenRows.of(filled.frames, filled.xyxy - origin))


def _frame_rate(record: CameraRecord) -> float:
    """Frames of the source per second."""
    if record.first is None or record.last is None or record.last <= record.first:
        return 25.0
    return record.last_index / (record.last - record.first)


def _bridged(frames: Ints, boxes: NDArray[np.float64], gap: int, around: int) -> HiddenRows:
    """Boxes (N, 4) of frames (N,), with boxes in between over short gaps, and the first and last held for a while."""
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
    return HiddenRows.of(near, np.column_stack(sides))
