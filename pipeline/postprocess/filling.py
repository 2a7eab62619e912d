"""Boxes for the frames of a finished run in which a person was not found for a short while."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.pauses import SHORTENED
from relaytrack.pipeline.records import Ints
from relaytrack.pipeline.results.identities import CameraRecord
from relaytrack.pipeline.results.track_rows import TrackRows
from relaytrack.trackers.refine import missing_boxes


def fill(
    drawn: TrackRows, identities: TrackRows, read: Ints, record: CameraRecord, seconds: float
) -> tuple[TrackRows, TrackRows]:
    """Add boxes between two boxes of a person in one camera, be they of one track or of two.

    Every corner moves in a straight line over time; the score is the lower of the two boxes', the track that of the
    box before. Where the run left frames out (`max_fps`), only frames get boxes in which the tracker knew somebody.

    Args:
        drawn: the rows with track ids.
        identities: the same boxes with identities, each at most once in a frame; 0 is nobody.
        read: frames that the run surely read.
        record: what came of the camera.
        seconds: between the two boxes, up to which boxes are added; 0 for none.

    Returns:
        Both with the added rows, by frame.
    """
    step = _frame_seconds(record)
    if step is None or seconds <= 0 or not len(identities):
        return drawn, identities
    clock = _clock(record, step, int(identities.frames.max()))
    missing = missing_boxes(identities.frames, identities.ids, clock, seconds)
    keep = identities.ids[missing.before] > 0
    if record.frames < record.last_index:
        keep &= np.isin(missing.frames, read)
    before, after = missing.before[keep], missing.after[keep]
    lower = np.minimum(identities.scores[before], identities.scores[after])
    added = TrackRows.of(missing.frames[keep], identities.ids[before], missing.boxes(identities.xyxy)[keep], lower)
    whole = TrackRows.joined([identities, added])
    order = whole.in_order()
    return TrackRows.joined([drawn, added.named(drawn.ids[before])]).pick(order), whole.pick(order)


def _frame_seconds(record: CameraRecord) -> float | None:
    """Seconds from one frame of the source to the next, without its long pauses; None where that is not known."""
    if record.first is None or record.last is None or record.last_index < 2:
        return None
    steps = record.last_index - 1 - len(record.cuts)
    moving = record.last - record.first - sum(cut + SHORTENED for _, cut in record.cuts)
    return moving / steps if steps > 0 and moving > 0 else None


def _clock(record: CameraRecord, step: float, last: int) -> NDArray[np.float64]:
    """Seconds of the frames 1 to `last` and those of the record, by the mean rate; long pauses are where they were."""
    clock = step * np.arange(max(last, record.last_index), dtype=np.float64)
    start = record.first or 0.0
    for after, cut in record.cuts:
        before = round((after - cut - SHORTENED - start) / step)  # the last frame before the pause, from 0 on
        clock[max(0, before + 1) :] += cut + SHORTENED - step
        start += cut + SHORTENED - step
    return clock
