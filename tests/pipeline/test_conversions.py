"""Steps, tracks and detections in the forms of other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relaytrack.pipeline.records import Detections, FrameInfo, FrameTracks, Step
from relaytrack.trackers import TrackerInputError

COLUMNS = ["camera", "frame", "time", "id", "identity", "x1", "y1", "x2", "y2", "score"]


def tracks(camera: str, *identities: int) -> FrameTracks:
    count = len(identities)
    boxes = np.arange(4 * count, dtype=np.float32).reshape(count, 4)
    info, ids, scores = FrameInfo(camera, 7, 0.5, (160, 120)), np.arange(1, count + 1), np.full(count, 0.75, np.float32)
    return FrameTracks(info, ids, np.array(identities, np.int64), boxes, scores)


STEPS = [
    Step(0.0),
    Step.of([tracks("gate")]),
    Step.of([tracks("gate", 12, 3), tracks("long-name"), tracks("yard", 12)]),
]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_every_step_is_a_table_of_the_same_columns(library: Any) -> None:
    module = pytest.importorskip(library)
    tables = [step.to_dataframe(library) for step in STEPS]
    assert [list(table.columns) for table in tables] == [COLUMNS] * 3
    assert [len(table) for table in tables] == [0, 0, 3]
    whole = module.concat(tables)
    assert whole["camera"].to_list() == ["gate", "gate", "yard"]
    assert whole["identity"].to_list() == [12, 3, 12]
    assert whole["id"].to_list() == [1, 2, 1]
    assert whole["x2"].to_list() == [2.0, 6.0, 2.0]
    assert set(whole["frame"].to_list()) == {7}
    one = STEPS[2].tracks[0].to_dataframe(library)
    assert list(one.columns) == COLUMNS
    assert len(one) == 2


def test_tracks_of_a_camera_are_detections_of_supervision() -> None:
    supervision = pytest.importorskip("supervision")
    found = tracks("gate", 12, 3).to_supervision()
    assert isinstance(found, supervision.Detections)
    assert (found.tracker_id.tolist(), found.data["identity"].tolist()) == ([1, 2], [12, 3])
    assert len(tracks("gate").to_supervision()) == 0


@pytest.mark.parametrize("count", [0, 2])
def test_detections_of_supervision_there_and_back(count: int) -> None:
    pytest.importorskip("supervision")
    there = Detections(np.ones((count, 4), np.float32), np.full(count, 0.5, np.float32))
    back = Detections.from_supervision(there.to_supervision())
    assert type(back) is Detections
    assert np.array_equal(back.xyxy, there.xyxy)
    assert np.array_equal(back.scores, there.scores)


def test_what_is_no_such_form_is_named() -> None:
    with pytest.raises(TrackerInputError, match=r"supervision\.Detections, not ndarray"):
        Detections.from_supervision(np.zeros((0, 4)))  # type: ignore[arg-type]
    with pytest.raises(TrackerInputError, match="there are 'pandas' and 'polars'"):
        STEPS[2].to_dataframe("csv")  # type: ignore[arg-type]
