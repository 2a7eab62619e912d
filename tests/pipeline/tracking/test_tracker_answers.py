"""What trackers of other projects may return, and what is refused in one line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.tracking.tracker import Tracked, run_tracker

BOXES = np.array([[0, 0, 10, 20], [50, 0, 60, 20]], np.float32)


class Fixed:
    """Always answers the same."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def update(self, xyxy: Any, scores: Any, embeddings: Any, time: float) -> Any:
        return self.answer


def ask(answer: Any) -> Tracked:
    nothing = np.full((2, 4), np.nan, np.float32)
    return run_tracker(Fixed(answer), BOXES, np.ones(2, np.float32), nothing, 0.0, frame_size=(100, 100), warp=None)


def test_rows_of_corners_and_id_are_matched_with_the_detections() -> None:
    found = ask([[51, 0, 61, 20, 7, 0.5], [0, 1, 10, 21, 3, 0.5], [80, 50, 90, 70, 9, 0.5]])
    assert found.ids.tolist() == [3, 7, 9]
    assert found.indices.tolist() == [0, 1, -1]
    assert ask([]).ids.tolist() == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([[0, 0, 10, 20]], "its answer cannot be read"),
        ("nothing", "its answer cannot be read"),
        ([[0, 0, 10, 20, 0]], "ids must be above 0"),
        ([[0, 0, 10, 20, 1], [1, 0, 11, 20, 1]], "each occur once"),
        ([[0, 0, np.nan, 20, 1]], "a side of a box is not a finite number"),
        ([[0, 0, 10, np.inf, 1]], "a side of a box is not a finite number"),
        (SimpleNamespace(ids=[1], xyxy=BOXES), "1 ids, 2 boxes"),
        (SimpleNamespace(ids=[1, 2], xyxy=BOXES, indices=[0, 2]), "an index names no detection"),
    ],
)
def test_an_answer_that_makes_no_sense_gets_one_line(answer: Any, said: str) -> None:
    with pytest.raises(InputError, match=f"^tracker Fixed: .*{said}"):
        ask(answer)
