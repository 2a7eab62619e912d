"""Networks as ONNX with a dynamic batch."""

from __future__ import annotations

import dataclasses
import json
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from relaytrack.reid.checkpoint import INFO_KEY, SPEC_KEY, WeightsInfo, load_info, load_model
from relaytrack.reid.errors import ReidError
from relaytrack.reid.model import ReidModel
from relaytrack.reid.onnx_runtime import import_onnxruntime
from relaytrack.reid.outputs import check_target, write_whole

INPUT, OUTPUT = "images", "embeddings"
OPSET = 17
TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote and how close it came.

    Attributes:
        path: the ONNX file.
        size: its size in bytes.
        difference: largest absolute difference to torch over all checked batches, unnormalised embeddings,
            relative to the largest absolute value of the embeddings.
        batches: the batch sizes that were checked.
    """

    path: Path
    size: int
    difference: float
    batches: tuple[int, ...]


def to_onnx(model: ReidModel, info: WeightsInfo | None = None) -> bytes:
    """Serialise a network for inference: (B, 3, height, width) float32 -> (B, D) float32, any B.

    The input is RGB, ImageNet-normalised; the output is not L2-normalised. Spec and info go into the file's
    metadata. The network is deployed first (batch norms folded); the model given is not changed.

    Raises:
        ReidError: the `onnx` package is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ReidError("exporting needs the package onnx: pip install onnx") from error
    spec = model.spec
    example = torch.zeros(2, 3, spec.height, spec.width)
    exporter_log = logging.getLogger("torch.onnx")
    level = exporter_log.level
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        warnings.simplefilter("ignore")  # the tracer's remarks on shapes, and that it will be replaced one day
        exporter_log.setLevel(logging.ERROR)
        try:
            torch.onnx.export(
                model.deploy().cpu().float(),
                (example,),
                file,
                dynamo=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
                opset_version=OPSET,
            )
        finally:
            exporter_log.setLevel(level)
        proto = onnx.load(str(file))
    _name_the_batch(proto)
    stored = {SPEC_KEY: json.dumps(spec.to_dict(), sort_keys=True), INFO_KEY: (info or WeightsInfo()).to_json()}
    onnx.helper.set_model_props(proto, stored)
    data: bytes = proto.SerializeToString()
    return data


def _name_the_batch(proto: Any) -> None:
    """Say of each reshape that it keeps its input's batch, in place.

    Nothing here moves numbers between images, so a reshape to (-1, ...) is one to (0, ...), "as it was". Runtimes
    then know that both branches of a residual block have one shape, and add them inside a convolution.
    """
    from onnx import numpy_helper

    shapes = {node.output[0]: node for node in proto.graph.node if node.op_type == "Constant"}
    depends = {INPUT}
    for node in proto.graph.node:
        if depends.isdisjoint(node.input):
            continue
        depends.update(node.output)
        constant = shapes.get(node.input[1]) if node.op_type == "Reshape" else None
        if constant is None:
            continue
        shape = numpy_helper.to_array(constant.attribute[0].t).copy()
        if shape[0] == -1 and (shape[1:] > 0).all():
            shape[0] = 0
            constant.attribute[0].t.CopyFrom(numpy_helper.from_array(shape, constant.attribute[0].t.name))


def export_onnx(weights: Path | str, path: Path | str, *, batches: tuple[int, ...] = (1, 3, 8)) -> ExportReport:
    """Write a weight file as ONNX and compare it with torch.

    Args:
        weights: file of `relaytrack.reid.checkpoint.save_model`.
        path: ONNX file to write.
        batches: batch sizes to compare.

    Raises:
        WeightsError: the weights cannot be loaded.
        ReidOutputError: the file cannot be written.
        ReidError: `onnx` is not installed, or the file differs from torch by more than 1e-4; it is removed then.
    """
    return export_network(load_model(weights), load_info(weights), path, batches=batches)


def export_network(
    model: ReidModel, info: WeightsInfo, path: Path | str, *, batches: tuple[int, ...] = (1, 3, 8)
) -> ExportReport:
    """Write a network as ONNX and compare it with torch; see `export_onnx`.

    Args:
        model: the network, in eval mode.
        info: what the file says of its weights.
        path: ONNX file to write.
        batches: batch sizes to compare.
    """
    path = Path(path)
    check_target(path)
    write_whole(path, to_onnx(model, info))
    difference = compare_onnx(model, path, batches)
    if not difference <= TOLERANCE:
        path.unlink()
        raise ReidError(f"{path}: the export differs from torch by {difference:.1e}, more than {TOLERANCE:.0e}")
    return ExportReport(path, path.stat().st_size, difference, batches)


def compare_onnx(model: ReidModel, path: Path, batches: tuple[int, ...]) -> float:
    """Largest difference between an ONNX file and torch, as a share of the largest embedding value."""
    onnxruntime = import_onnxruntime()

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for batch in batches:
        images = torch.randn(batch, 3, model.spec.height, model.spec.width, generator=generator)
        with torch.inference_mode():
            expected: NDArray[Any] = model.eval()(images).numpy()
        (given,) = session.run(None, {INPUT: images.numpy()})
        worst = max(worst, float(np.abs(given - expected).max() / max(np.abs(expected).max(), 1e-12)))
    return worst
