"""The NanoDet network on onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from relaytrack.pipeline.errors import DetectorError
from relaytrack.pipeline.perception.detectors.nanodet_network import NanoDetNetwork, level_outputs
from relaytrack.pipeline.perception.detectors.onnx_file import OnnxFileError, free_spatial_size, read_model
from relaytrack.pipeline.perception.detectors.onnx_session import open_session
from relaytrack.pipeline.records import Floats
from relaytrack.reid.onnx_runtime import import_onnxruntime


class OnnxNetwork:
    """The weights in an onnxruntime session; see `nanodet_network.NanoDetNetwork`.

    The file's fp16 weights are widened once, at load (onnxruntime folds the casts), and its input size of
    416 x 416 is made free.

    Args:
        path: the ONNX file.
        device: "cpu", "cuda" or "cuda:i".
        threads: CPU threads; None leaves it to onnxruntime.

    Raises:
        DetectorError: the file is no ONNX model or one of another architecture.
        DeviceError: the session would not run on `device`.
    """

    def __init__(self, path: Path, device: str = "cpu", threads: int | None = None) -> None:
        try:
            data = path.read_bytes()
            model = read_model(data)
            self._outputs = level_outputs(model)
            self._input = model.inputs[0].name
            data = free_spatial_size(data)
        except (OSError, OnnxFileError) as error:
            raise DetectorError(f"detector.weights: {path}: {error}") from None
        self.precision = "int8" if any(node.op == "DequantizeLinear" for node in model.nodes) else "fp32"
        self._session, self.provider = open_session(path, device, threads, data)

    def __call__(self, images: Floats) -> list[tuple[Floats, Floats]]:
        """Run (B, 3, H, W) normalised BGR; see `NanoDetNetwork`."""
        found = [np.asarray(result) for result in self._session.run(self._outputs, {self._input: images})]
        return list(zip(found[0::2], found[1::2], strict=True))


def cuda_network(path: Path, device: str) -> NanoDetNetwork:
    """The network on a GPU: onnxruntime's CUDA provider where it is installed, else PyTorch, same weights."""
    onnxruntime = import_onnxruntime()

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return OnnxNetwork(path, device)
    from relaytrack.pipeline.perception.detectors.nanodet_torch import TorchNetwork

    return TorchNetwork(path, device)
