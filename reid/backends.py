"""The engines that run a network: torch on a GPU, onnxruntime on a CPU, or torch on a CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from relaytrack.reid.checkpoint import INFO_KEY, WeightsInfo
from relaytrack.reid.errors import ReidError, WeightsError, first_line
from relaytrack.reid.model import ReidModel
from relaytrack.reid.onnx_runtime import import_onnxruntime

_LARGEST_SIDE = 4096


class Backend(Protocol):
    """Runs a network on normalised images.

    Attributes:
        provider: what computes, for logs: "onnxruntime-cpu", "torch-cuda", ...
        device: where `run` wants its tensor.
        input_size: (height, width) in pixels.
        dim: length of an embedding.
    """

    provider: str
    device: torch.device
    input_size: tuple[int, int]
    dim: int

    def run(self, images: Tensor) -> NDArray[np.float32]:
        """ImageNet-normalised RGB (N, 3, height, width) -> embeddings (N, D), not L2-normalised."""
        ...


class TorchBackend:
    """The deployed network in torch, channels last."""

    def __init__(self, model: ReidModel, device: torch.device, threads: int | None = None) -> None:
        self.provider = f"torch-{device.type}"
        self.device = device
        self.input_size = (model.spec.height, model.spec.width)
        self.dim = model.dim
        self._model = model.deploy().to(device).to(memory_format=torch.channels_last)
        if threads is not None and device.type == "cpu":
            torch.set_num_threads(threads)

    def run(self, images: Tensor) -> NDArray[np.float32]:
        """See `Backend.run`."""
        with torch.inference_mode():
            out = self._model(images.to(self.device).contiguous(memory_format=torch.channels_last))
        array: NDArray[np.float32] = out.float().cpu().numpy()
        return array


def onnx_on_cuda() -> bool:
    """Whether the installed onnxruntime has CUDA (the package onnxruntime-gpu)."""
    onnxruntime = import_onnxruntime()

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def session_options(threads: int | None) -> Any:
    """The options of one session of onnxruntime, quiet; with None, it chooses the number of CPU threads.

    Threads do not spin while they wait: the cores are shared with decoding, tracking and encoding. The memory
    pattern is off: with it, onnxruntime plans memory for each batch size, in one piece, and a size that comes rarely
    takes new memory after hours.
    """
    onnxruntime = import_onnxruntime()

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False
    return options


class OnnxBackend:
    """An ONNX network in onnxruntime: input (B, 3, height, width) RGB ImageNet-normalised, output (B, D).

    Args:
        source: a file, or the serialised network itself.
        device: "cpu", or "cuda" (needs onnxruntime-gpu).
        threads: threads of one run; None leaves it to onnxruntime (all cores).
        name: what to call the network in messages.

    Raises:
        WeightsError: unreadable, or input and output are not as above.
        ReidError: CUDA is asked for and onnxruntime has none.
    """

    def __init__(self, source: Path | bytes, device: torch.device, threads: int | None = None, name: str = "") -> None:
        onnxruntime = import_onnxruntime()

        name = name or str(source)
        provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}.get(device.type)
        if provider is None or provider not in onnxruntime.get_available_providers():
            raise ReidError(f"onnxruntime has no provider for device {device} here")
        file = source if isinstance(source, bytes) else str(source)
        options = session_options(threads)
        try:
            self._session = onnxruntime.InferenceSession(file, options, providers=[provider], enable_fallback=0)
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise WeightsError(f"cannot read the network {name}: {first_line(error)}") from error
        if provider not in self._session.get_providers():
            raise ReidError(f"onnxruntime cannot use {provider} here")
        self.provider = f"onnxruntime-{device.type}"
        self.device = torch.device("cpu")  # onnxruntime copies to its own device
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape, result = inputs[0].shape, outputs[0].shape
        if inputs[0].type != "tensor(float)":
            raise WeightsError(f"{name} wants an input of type {inputs[0].type}, where tensor(float) is needed")
        if len(inputs) != 1 or len(shape) != 4 or shape[1] != 3 or len(result) != 2:
            raise WeightsError(f"{name} does not map images (B, 3, H, W) to embeddings (B, D): {shape}, {result}")
        self._input = inputs[0].name
        self._batch = shape[0] if isinstance(shape[0], int) else None
        height, width = (side if isinstance(side, int) else None for side in shape[2:])
        if not all(side is None or 0 < side <= _LARGEST_SIDE for side in (height, width)):
            raise WeightsError(f"{name} wants images of {height} x {width} pixels; sides are 1 to {_LARGEST_SIDE}")
        self.input_size = (height or 256, width or 128)
        self._name = name
        self.dim = result[1] if isinstance(result[1], int) else self._probe()

    @property
    def info(self) -> WeightsInfo:
        """What the file says of its weights; empty for foreign files."""
        stored: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        text = stored.get(INFO_KEY)
        try:
            return WeightsInfo.from_json(text) if text else WeightsInfo()
        except (json.JSONDecodeError, TypeError, AttributeError):
            return WeightsInfo()

    def run(self, images: Tensor) -> NDArray[np.float32]:
        """See `Backend.run`; a network of fixed batch is fed in blocks, the last one filled up.

        Raises:
            WeightsError: the network does not run.
        """
        array = np.ascontiguousarray(images.cpu().numpy(), dtype=np.float32)
        if self._batch is None:
            return self._run(array)
        rows = []
        for start in range(0, len(array), self._batch):
            block = array[start : start + self._batch]
            filled = np.concatenate([block, np.zeros((self._batch - len(block), *block.shape[1:]), np.float32)])
            rows.append(self._run(filled)[: len(block)])
        return np.concatenate(rows)

    def _run(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            result: Any = self._session.run(None, {self._input: array})[0]
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise WeightsError(f"{self._name}: the network does not run: {first_line(error)}") from error
        return np.asarray(result, dtype=np.float32)

    def _probe(self) -> int:
        return int(self._run(np.zeros((self._batch or 1, 3, *self.input_size), np.float32)).shape[1])
