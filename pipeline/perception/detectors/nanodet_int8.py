"""NanoDet with 8-bit integers: how the file that comes with the package was made from the one in half precision.

python -c "from relaytrack.pipeline.perception.detectors.nanodet_int8 import make_int8; make_int8('out.onnx', VIDEOS)"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from relaytrack.pipeline.perception.detectors.letterbox import Letterbox, Normaliser
from relaytrack.pipeline.perception.detectors.nanodet import MEAN_BGR, STD_BGR, bundled_weights
from relaytrack.pipeline.perception.detectors.onnx_file import free_spatial_size
from relaytrack.pipeline.records import Floats, Image
from relaytrack.reid.outputs import write_whole
from relaytrack.reid.quantise import in_int8

_KINDS = ("Conv", "LeakyRelu")
_FRAMES = 24


def make_int8(target: Path | str, videos: Mapping[str, Sequence[int]], weights: Path | None = None) -> Path:
    """Write the 8-bit form of a NanoDet.

    Convolutions take unsigned 8-bit maps and signed 8-bit weights with a scale per output channel; the last
    convolution of each grid, which gives the scores and sides themselves, stays in single precision.

    Args:
        target: the file to write.
        videos: files whose frames the ranges of the maps are measured on, each with the longer sides of the input.
        weights: the network in single or half precision; None for the bundled one.

    Returns:
        The path written.

    Raises:
        OutputError: it cannot be written.
    """
    batches = [as_input(frame, side) for video, sides in videos.items() for frame in _frames(video) for side in sides]
    data = (weights or bundled_weights()).read_bytes()
    write_whole(Path(target), quantised_nanodet(data, batches))
    return Path(target)


def quantised_nanodet(data: bytes, batches: Sequence[Floats]) -> bytes:
    """The 8-bit form of a NanoDet; `batches` are inputs (B, 3, H, W) normalised BGR to measure ranges on."""
    import onnx

    source = onnx.load_from_string(free_spatial_size(data))
    _widen(source.graph)
    made = onnx.load_from_string(in_int8(source.SerializeToString(), batches, _KINDS, _head_maps(source.graph)))
    named = onnx.load_from_string(data).graph  # with the sizes by which the outputs are told apart
    for ports, given in ((made.graph.input, named.input), (made.graph.output, named.output)):
        del ports[:]
        ports.extend(given)
    del made.graph.value_info[:]
    serialised: bytes = made.SerializeToString()
    return serialised


def as_input(image: Image, side: int) -> Floats:
    """A picture as the network takes it, (1, 3, H, W), its longer side `side` pixels."""
    box = Letterbox.fit(image.shape[1], image.shape[0], side)
    out = np.empty((1, 3, box.height, box.width), np.float32)
    Normaliser(MEAN_BGR, STD_BGR, bgr=True).fill(out[0], image, box)
    return out


def _frames(video: str) -> list[Image]:
    """Some frames of a video, evenly drawn, RGB."""
    capture = cv2.VideoCapture(video)
    found = []
    for number in np.linspace(0, capture.get(cv2.CAP_PROP_FRAME_COUNT) - 1, _FRAMES).astype(int).tolist():
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        read, image = capture.read()
        if read:
            found.append(np.ascontiguousarray(image[..., ::-1], np.uint8))
    capture.release()
    return found


def _widen(graph: Any) -> None:
    """Replace weights in half precision, and the casts that widen them, by weights in single precision."""
    import onnx

    stored = {tensor.name: tensor for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            wide = onnx.numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
            graph.initializer.remove(stored[node.input[0]])
            graph.initializer.append(onnx.numpy_helper.from_array(wide, node.output[0]))
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _head_maps(graph: Any) -> set[str]:
    """Names of the maps that are split into scores and sides."""
    return {node.input[0] for node in graph.node if node.op_type == "Split"}
