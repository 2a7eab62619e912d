"""The boxes that hide a person whom a run is to forget, in every frame of a camera's video."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.postprocess.finished_run import FinishedRun
from relaytrack.pipeline.postprocess.lines_left import LinesLeft
from relaytrack.pipeline.records import Ints
from relaytrack.pipeline.results.hidden_rows import HiddenRows
from relaytrack.pipeline.results.identities import CameraRecord
from relaytrack.trackers.identities.types import TrackKey

_AROUND = 0.7  # seconds before and after a track in which its first and last box are covered
_GAP = 3.0  # seconds between two boxes that are bridged


def cover(run: FinishedRun, camera: str, keys: Collection[TrackKey], lines: LinesLeft) -> HiddenRows:
    """The boxes that hide a person's tracks in every frame of a camera, also in those between two detections.

    Where the camera's lines of tracks are missing or damaged, the person's boxes are those of `global/`, too.
    """
    record = run.data.cameras[camera]
    rate = _frame_rate(record)
    roi = next((found.roi for found in run.config.cameras if found.name == camera), None)
    origin = np.array((*roi[:2], *roi[:2]) if roi else (0, 0, 0, 0), np.float64)
    gap, around = max(1, round(_GAP * rate)), max(1, round(_AROUND * rate))
    chosen = {key for key in keys if key[0] == camera}
    gone = {run.ids[key] for key in keys}
    found = [lines.tracks(camera, {key}) for key in sorted(chosen)]
    if sum(map(len, found)) < _recorded(run, camera, keys):
        found = [lines.theirs(camera, chosen, gone)]
    covers = HiddenRows.of()
    for rows in found:
        if len(rows):
            covers = covers.joined(_bridged(rows.frames, rows.xyxy - origin, gap, around))
    filled = lines.theirs(camera, set(), gone)  # boxes between two tracks
    return covers.joined(HiddenRows.of(filled.frames, filled.xyxy - origin))


def is_whole(run: FinishedRun, camera: str, keys: Collection[TrackKey], lines: LinesLeft) -> bool:
    """Whether the lines tell where the person is in every picture in which the run saw them."""
    gone = {run.ids[key] for key in keys}
    return len(lines.theirs(camera, set(keys), gone)) >= _recorded(run, camera, keys)


def _recorded(run: FinishedRun, camera: str, keys: Collection[TrackKey]) -> int:
    """The number of boxes that a camera's tracks had by the list of people."""
    tracks = (track for found in run.data.people.values() for track in found if track.camera == camera)
    return sum(track.frames for track in tracks if (camera, track.track) in keys)


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
