"""The NanoDet network as a PyTorch module: for a GPU where onnxruntime has no CUDA provider."""

from __future__ import annotations

from pathlib import Path

import torch

from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import DetectorError, DeviceError
from relaytrack.pipeline.perception.detectors.nanodet_network import level_outputs
from relaytrack.pipeline.perception.detectors.onnx_file import OnnxFileError, read_model
from relaytrack.pipeline.perception.detectors.onnx_torch import OnnxModule
from relaytrack.pipeline.records import Floats


class TorchNetwork:
    """The weights of the ONNX file in PyTorch; see `nanodet_network.NanoDetNetwork`.

    Runs in full float32 (no TF32) with deterministic algorithms, so that it equals onnxruntime to rounding.

    Args:
        path: the ONNX file.
        device: "cpu" (tests) or "cuda", "cuda:i".

    Raises:
        DetectorError: the file is no ONNX model or one of another architecture.
        DeviceError: the weights cannot be put on `device`.
    """

    def __init__(self, path: Path, device: str) -> None:
        try:
            model = read_model(path.read_bytes())
            module = OnnxModule(model)
            order = level_outputs(model)
        except (OSError, OnnxFileError) as error:
            raise DetectorError(f"detector.weights: {path}: {error}") from None
        try:
            self._device = torch.device(device)
            self._module = module.to(self._device).eval()
            placed = {buffer.device.type for buffer in self._module.buffers()}
        except (RuntimeError, AssertionError) as error:
            reason = one_line(error)
            raise DeviceError(f"run.device: the detector cannot run on {device!r}: {reason}") from None
        if placed != {self._device.type}:
            raise DeviceError(f"run.device: the detector's weights are on {placed}, not on {device!r}")
        self._order = [self._module.outputs.index(name) for name in order]
        self.precision = "fp32"
        self.provider = f"torch {device}"

    @torch.no_grad()
    def __call__(self, images: Floats) -> list[tuple[Floats, Floats]]:
        """Run (B, 3, H, W) normalised BGR; see `NanoDetNetwork`."""
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            results = self._module(torch.from_numpy(images).to(self._device))
        found = [results[place].cpu().numpy() for place in self._order]
        return list(zip(found[0::2], found[1::2], strict=True))
