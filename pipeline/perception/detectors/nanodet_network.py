"""What NanoDet's network takes and gives, whatever runs it."""

from __future__ import annotations

from typing import Protocol

from relaytrack.pipeline.perception.detectors.onnx_file import OnnxFileError, OnnxModel
from relaytrack.pipeline.records import Floats

STRIDES = (8, 16, 32)
_SIDE_CHANNELS = (32, 44, 68)  # four sides times 8, 11 or 17 bins: the published NanoDet heads


class NanoDetNetwork(Protocol):
    """The convolutional network alone, on some device.

    Attributes:
        provider: where it really runs.
        precision: "fp32" or "int8", what it computes with.
    """

    provider: str
    precision: str

    def __call__(self, images: Floats) -> list[tuple[Floats, Floats]]:
        """Run (B, 3, H, W) normalised BGR; H and W are multiples of 32.

        Returns:
            For each stride of `STRIDES`: class scores (B, cells, classes) in 0..1 and side distributions
            (B, cells, 4 * bins) before the softmax; cells row by row.
        """
        ...


def level_outputs(model: OnnxModel) -> list[str]:
    """Order the outputs of a NanoDet: scores and sides of the finest grid, of the next, of the coarsest.

    Raises:
        OnnxFileError: the graph does not have such outputs.
    """
    cells: dict[int, dict[str, str]] = {}
    for port in model.outputs:
        sizes = port.sizes
        if len(sizes) == 3 and sizes[1] is not None and sizes[2] is not None:
            kind = "sides" if sizes[2] in _SIDE_CHANNELS else "scores"
            cells.setdefault(sizes[1], {})[kind] = port.name
    pairs = [cells[count] for count in sorted(cells, reverse=True)]
    complete = all(set(pair) == {"scores", "sides"} for pair in pairs)
    if len(model.inputs) != 1 or len(model.inputs[0].sizes) != 4:
        complete = False
    if not complete or len(pairs) != len(STRIDES) or len(model.outputs) != 2 * len(STRIDES):
        raise OnnxFileError("not a NanoDet (one picture in; scores and side distributions of three grids out)")
    return [pair[kind] for pair in pairs for kind in ("scores", "sides")]
