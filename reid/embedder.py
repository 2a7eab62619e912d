"""Crops of people -> unit vectors."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from relaytrack.reid.backends import Backend, OnnxBackend, TorchBackend, onnx_on_cuda
from relaytrack.reid.checkpoint import WeightsInfo, load_info, load_model
from relaytrack.reid.device import torch_device
from relaytrack.reid.embedder_input import check_arguments, readable
from relaytrack.reid.errors import ReidError, WeightsError
from relaytrack.reid.fingerprint import fingerprint
from relaytrack.reid.imagenet import IMAGENET_MEAN, IMAGENET_STD
from relaytrack.reid.installed import Precision, computes_in_int8, find_weights
from relaytrack.reid.network_cache import cached_network
from relaytrack.reid.precision import weights_form


class Embedder:
    """A re-identification network ready to use.

    On a CPU the network runs in onnxruntime (twice as fast as the same folded network in torch), exported from the
    weights at the first start and kept in the user's cache folder (`reid.network_cache`); on a GPU in torch. One
    crop's vector does not depend on the others in its batch.

    Args:
        weights: file of `relaytrack.reid.checkpoint.save_model`, an ".onnx" file ((B, 3, H, W) RGB ImageNet-normalised
            to (B, D)), the name of installed weights ("retail-0286"), or None for the default ones.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:N", or a `torch.device`.
        batch_size: most crops in one run of the network.
        flip: average each embedding with that of the mirrored crop (twice the time).
        threads: CPU threads of a run; None takes all cores.
        precision: "fp32"; "int8" takes the weights' 8-bit form, `NAME_int8.onnx` beside the file NAME
            (`relaytrack reid export --int8` makes one); "auto" does so with installed weights that have one, on a CPU
            that is quicker with it (`reid.precision.cpu_has_int8`).

    Attributes:
        input_size: (height, width) of the network's input, pixels.
        dim: length of an embedding.
        threshold: cosine similarity from which two crops are the same person, or None if not calibrated.
        device: where tensors for `embed` are best placed: "cpu" or "cuda:N".
        provider: what computes: "onnxruntime-cpu", "torch-cpu", "torch-cuda", ...
        info: what the weights say of themselves (dataset, licence, notice, results).
        weights: the file in use.
        precision: "fp32" or "int8", what it computes with.
        fingerprint: by what the network is known again.

    Raises:
        WeightsError: the weights are missing, unreadable or of no use, or have no 8-bit form where one is asked for.
        ReidError: the device is not there, or cannot compute with 8-bit integers; an argument is of another kind.
    """

    def __init__(
        self,
        weights: Path | str | None = None,
        device: str | torch.device = "auto",
        batch_size: int = 16,
        flip: bool = False,
        threads: int | None = None,
        precision: Precision = "fp32",
    ) -> None:
        check_arguments(weights, device, batch_size, flip, threads, precision)
        self._wanted_device, self._threads = device, threads
        self.weights = find_weights(weights)
        self.batch_size = batch_size
        self.flip = flip
        where = torch_device(device)
        if device == "auto" and self.weights.suffix == ".onnx" and where.type == "cuda" and not onnx_on_cuda():
            where = torch.device("cpu")
        self.weights = weights_form(self.weights, precision, where)
        self.precision: Literal["fp32", "int8"] = "int8" if computes_in_int8(self.weights) else "fp32"
        self._backend, self.info = _load(self.weights, where, threads)
        self.input_size = self._backend.input_size
        self.dim = self._backend.dim
        self.provider = self._backend.provider
        self.threshold = self.info.threshold
        self.device = str(self._backend.device)
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        self._scale = (1.0 / std).view(1, 3, 1, 1).to(self._backend.device)
        self._shift = (-mean / std).view(1, 3, 1, 1).to(self._backend.device)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles load the file anew: they go to another process on a machine that has it."""
        return Embedder, (self.weights, self._wanted_device, self.batch_size, self.flip, self._threads)

    def __call__(self, crops: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed RGB crops.

        Args:
            crops: N arrays (H, W, 3) uint8 RGB, each of its own size.

        Returns:
            (N, dim) float32, L2-normalised rows.

        Raises:
            ReidError: a crop is empty or not (H, W, 3) uint8; names its number.
        """
        if not isinstance(crops, Iterable):
            raise ReidError(f"crops must be a list of (H, W, 3) uint8 images, not {type(crops).__name__}")
        crops = list(crops)
        for number, crop in enumerate(crops):
            if not isinstance(crop, np.ndarray):
                raise ReidError(f"crop {number} is not a numpy array, but {type(crop).__name__}")
            if crop.ndim != 3 or crop.shape[2] != 3 or crop.size == 0 or crop.dtype != np.uint8:
                raise ReidError(f"crop {number} is not a (H, W, 3) uint8 image: {crop.dtype} {crop.shape}")
        parts = [np.empty((0, self.dim), np.float32)]
        for start in range(0, len(crops), self.batch_size):  # not all at once: memory goes with the batch
            resized = self._resized(crops[start : start + self.batch_size])
            parts.append(self.embed(torch.from_numpy(resized).permute(0, 3, 1, 2)))
        return np.concatenate(parts)

    @cached_property
    def fingerprint(self) -> bytes:
        """By what the network is known again; see `relaytrack.reid.fingerprint`."""
        return fingerprint(self, self.input_size)

    def warm_up(self) -> None:
        """Run one full batch, so that the memory that the largest batch needs is taken now and not after hours."""
        self.embed(torch.zeros((self.batch_size, 3, *self.input_size), dtype=torch.uint8))

    def embed(self, batch: Tensor) -> NDArray[np.float32]:
        """Embed crops that are cut and resized already.

        Args:
            batch: (N, 3, height, width) RGB, uint8 in 0..255 or floating point in 0..1, on any device.

        Returns:
            (N, dim) float32, L2-normalised rows.

        Raises:
            ReidError: the batch is no tensor, has another shape or type or values outside 0..1; the network gives
                values that are not finite.
        """
        if not isinstance(batch, Tensor):
            raise ReidError(f"batch must be a torch.Tensor, not {type(batch).__name__}")
        if batch.ndim != 4 or tuple(batch.shape[1:]) != (3, *self.input_size):
            raise ReidError(
                f"batch of shape {tuple(batch.shape)} instead of (N, 3, {', '.join(map(str, self.input_size))})"
            )
        batch = readable(batch)
        out = np.empty((len(batch), self.dim), np.float32)
        for start in range(0, len(batch), self.batch_size):
            images = self._normalised(batch[start : start + self.batch_size])
            features = self._backend.run(images)
            if self.flip:
                features = features + self._backend.run(images.flip(3))
            if not np.isfinite(features).all():
                raise ReidError(f"the network {self.weights} gives values that are not finite")
            norms = np.linalg.norm(features, axis=1, keepdims=True)
            out[start : start + len(features)] = features / np.maximum(norms, 1e-12)
        return out

    def _resized(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        height, width = self.input_size
        batch = np.empty((len(crops), height, width, 3), np.uint8)
        for number, crop in enumerate(crops):
            cv2.resize(crop, (width, height), dst=batch[number], interpolation=cv2.INTER_LINEAR)
        return batch

    def _normalised(self, images: Tensor) -> Tensor:
        """uint8 or 0..1 to ImageNet's zero mean and unit variance, float32 on the backend's device."""
        images = images.to(self._backend.device)
        scale = self._scale if images.is_floating_point() else self._scale / 255.0
        if images.device.type != "cpu":
            return torch.addcmul(self._shift, images.float(), scale)
        # On one thread: a pass over so little memory is shorter than the wait at the end of a parallel one.
        values = np.multiply(images.numpy(), scale.numpy(), dtype=np.float32)
        values += self._shift.numpy()
        return torch.from_numpy(values)


def _load(path: Path, device: torch.device, threads: int | None) -> tuple[Backend, WeightsInfo]:
    if path.suffix == ".onnx":
        if not path.is_file():
            raise WeightsError(f"weights not found: {path}")
        foreign = OnnxBackend(path, device, threads)
        return foreign, foreign.info
    info = load_info(path)
    if device.type == "cpu" and importlib.util.find_spec("onnx"):  # else torch, slower; `provider` says so
        return OnnxBackend(cached_network(path, lambda: _exported(path)), device, threads, name=str(path)), info
    return TorchBackend(load_model(path), device, threads), info


def _exported(path: Path) -> bytes:
    from relaytrack.reid.export import to_onnx

    return to_onnx(load_model(path))
