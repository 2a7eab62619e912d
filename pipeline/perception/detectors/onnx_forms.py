"""The forms in which detectors of the permissive families give their results, told apart by their outputs.

* YOLOX (Ge et al., 2021; Megvii-BaseDetection/YOLOX, `tools/export_onnx.py`): one array (B, cells, 5 + classes) with
  centre, size, objectness and class scores; centre and size in cells and logarithms, or decoded to input pixels.
* RF-DETR (roboflow/rf-detr) and RT-DETR as Hugging Face exports it: boxes (B, queries, 4) as shares of the input
  and class logits (B, queries, classes).
* RT-DETR (Zhao et al., CVPR 2024), D-FINE and DEIM: labels (B, queries), boxes (B, queries, 4) scaled to the size
  that a second input states, and scores (B, queries).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.perception.detectors.letterbox import Placement
from relaytrack.pipeline.perception.detectors.onnx_file import OnnxFileError
from relaytrack.pipeline.records import Detections, Floats

Family = Literal["yolox", "detr", "detr-decoded"]
Normalise = Literal["raw", "unit", "imagenet"]
Arrays = Sequence[NDArray[Any]]

_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_COCO_IDS = (90, 91)
"""Classes of a network that counts as COCO's annotation files do: with gaps, person is 1."""


@dataclass(frozen=True, slots=True)
class Form:
    """How to feed a network and read what it gives.

    Attributes:
        family: which decoder.
        order: place of each array that the decoder wants among the network's outputs.
        person: number of the class "person".
        placement: how the picture lies in the input.
        normalise: "raw" 0..255, "unit" 0..1, "imagenet" 0..1 minus ImageNet's mean over its deviation.
        bgr: channels are blue, green, red.
        padding: grey value of what the picture does not cover.
        decoded: boxes of a YOLOX come in input pixels.
    """

    family: Family
    order: tuple[int, ...]
    person: int
    placement: Placement
    normalise: Normalise
    bgr: bool = False
    padding: int = 0
    decoded: bool = False

    def people(self, outputs: Arrays, width: int, height: int, threshold: float) -> list[Detections]:
        """Decode a batch: for each input the boxes, in input pixels, whose score as a person reaches the threshold."""
        arrays = [np.asarray(outputs[place], np.float32) for place in self.order]
        if self.family == "yolox":
            scores, boxes = _yolox(arrays[0], self.person, None if self.decoded else (width, height))
        elif self.family == "detr":
            scores = _sigmoid(arrays[1][:, :, self.person])
            boxes = _corners(arrays[0]) * np.array([width, height] * 2, np.float32)
        else:
            scores = np.where(np.rint(arrays[1]) == self.person, arrays[2], np.float32(0))
            boxes = arrays[0]
        found = []
        for score, box in zip(scores, boxes, strict=True):
            keep = np.flatnonzero((score >= max(threshold, 1e-6)) & np.isfinite(box).all(axis=1))
            found.append(Detections(box[keep].astype(np.float32), score[keep].astype(np.float32)))
        return found


def recognise(outputs: Arrays, width: int, height: int) -> Form:
    """Tell the family by the outputs for one plain input of `width` x `height` pixels.

    Raises:
        OnnxFileError: none of the known forms.
    """
    shapes = [np.shape(array) for array in outputs]
    if len(outputs) == 1 and len(shapes[0]) == 3:
        _, cells, columns = shapes[0]
        known = [strides for strides in _STRIDES if cells == sum(_cells(width, height, s) for s in strides)]
        if known and columns > 5:
            centres = np.abs(np.asarray(outputs[0], np.float32)[0, :, :2]).mean()
            return Form("yolox", (0,), 0, "corner", "raw", True, 114, bool(centres > max(width, height) / 8))
    boxes = [place for place, shape in enumerate(shapes) if len(shape) == 3 and shape[2] == 4]
    if len(boxes) == 1 and len(outputs) == 2:
        (logits,) = {0, 1} - set(boxes)
        if len(shapes[logits]) == 3 and shapes[logits][1] == shapes[boxes[0]][1]:
            coco = shapes[logits][2] in _COCO_IDS
            return Form("detr", (boxes[0], logits), int(coco), "stretch", "imagenet" if coco else "unit")
    if len(boxes) == 1 and len(outputs) == 3:
        flat = [place for place, shape in enumerate(shapes) if shape == shapes[boxes[0]][:2]]
        labels = [place for place in flat if np.issubdtype(np.asarray(outputs[place]).dtype, np.integer)]
        if len(flat) == 2 and len(labels) == 1:
            (scores,) = set(flat) - set(labels)
            return Form("detr-decoded", (boxes[0], labels[0], scores), 0, "stretch", "unit")
    listed = ", ".join("x".join(str(size) for size in shape) for shape in shapes)
    raise OnnxFileError(
        f"outputs of {listed} for {width} x {height} pixels are none of the known forms: YOLOX (one, cells x 5 + "
        "classes), RF-DETR (boxes and class logits), RT-DETR or D-FINE (labels, boxes, scores)"
    )


def _cells(width: int, height: int, stride: int) -> int:
    return (width // stride) * (height // stride)


def _yolox(found: Floats, person: int, size: tuple[int, int] | None) -> tuple[Floats, Floats]:
    """Scores (B, N) and boxes (B, N, 4) xyxy; `size` (width, height) where centres and sizes are still in cells."""
    centre, extent = found[:, :, :2], found[:, :, 2:4]
    if size is not None:
        cells, stride = _grid(*size, found.shape[1])
        centre = (centre + cells) * stride
        extent = np.exp(np.minimum(extent, 20)) * stride
    scores = found[:, :, 4] * found[:, :, 5 + person]
    return scores, np.concatenate([centre - extent / 2, centre + extent / 2], 2)


def _grid(width: int, height: int, count: int) -> tuple[Floats, Floats]:
    """Column and row (N, 2) and stride (N, 1) of every cell, finest grid first, row by row."""
    strides = next(s for s in _STRIDES if sum(_cells(width, height, stride) for stride in s) == count)
    places, sizes = [], []
    for stride in strides:
        rows, columns = np.mgrid[0 : height // stride, 0 : width // stride].astype(np.float32)
        places.append(np.stack([columns.ravel(), rows.ravel()], 1))
        sizes.append(np.full((rows.size, 1), stride, np.float32))
    return np.concatenate(places), np.concatenate(sizes)


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))), np.float32)


def _corners(boxes: Floats) -> Floats:
    centre, extent = boxes[:, :, :2], boxes[:, :, 2:]
    return np.concatenate([centre - extent / 2, centre + extent / 2], 2)
