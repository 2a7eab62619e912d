"""Detectors and embedders of other projects: what they answer is read, or refused in one line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.perception.answers import read_detections, read_embeddings
from relaytrack.pipeline.records import Detections, Frame

FRAME = Frame("gate", 1, 0.0, np.zeros((100, 200, 3), np.uint8))


def people(xyxy: Any, scores: Any) -> SimpleNamespace:
    return SimpleNamespace(xyxy=xyxy, scores=scores)


def test_lists_and_doubles_become_arrays_and_boxes_of_no_area_go() -> None:
    (found,) = read_detections((people([[1, 2, 30, 40], [5, 5, 5, 9]], [0.5, 0.9]),), [FRAME], "Mine")
    assert found.xyxy.dtype == found.scores.dtype == np.float32
    assert found.xyxy.tolist() == [[1, 2, 30, 40]]
    assert found.scores.tolist() == [0.5]


@pytest.mark.parametrize("nobody", [people([], []), people(np.zeros((0, 5)), np.zeros(0)), Detections.empty()])
def test_nobody_may_come_in_any_shape(nobody: Any) -> None:
    (found,) = read_detections([nobody], [FRAME], "Mine")
    assert found.xyxy.shape == (0, 4)
    assert found.scores.shape == (0,)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, r"detector Mine: detect\(\) gave None, not a list"),
        ([], "detector Mine: 0 answers to 1 frames"),
        ([np.zeros((1, 5))], r"detector Mine: camera gate: a ndarray instead of Detections\(xyxy, scores\)"),
        ([people([[1, 2, 3, 4, 0.5]], [0.5])], r"camera gate: boxes \(1, 5\) and scores \(1,\)"),
        ([people([[1, 2, 3, 4]], [[0.5]])], r"camera gate: boxes \(1, 4\) and scores \(1, 1\)"),
        ([people([[1, 2, 3, 4]], [])], r"camera gate: boxes \(1, 4\) and scores \(0,\)"),
        ([people([[1, 2, np.nan, 4]], [0.5])], "camera gate: a box or a score is not a finite number"),
        ([people([[100, 90, 30, 40]], [0.5])], "camera gate: a box ends before it begins; boxes are x1, y1, x2, y2"),
        ([people([["a", 1, 2, 3]], [0.5])], "camera gate: its boxes cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(answer: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_detections(answer, [FRAME], "Mine")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (np.zeros((2, 3)), r"embedder Mine: an array \(2, 3\) instead of \(2, 4\)"),
        (np.full((2, 4), np.inf), "embedder Mine: a value is not a finite number"),
        (None, "embedder Mine"),
        ([[1, 2], [3]], "embedder Mine: its answer cannot be read"),
    ],
)
def test_embeddings_of_another_shape_are_refused(answer: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_embeddings(answer, 2, 4, "Mine")


def test_embeddings_may_be_doubles() -> None:
    assert read_embeddings(np.ones((2, 4)), 2, 4, "Mine").dtype == np.float32
