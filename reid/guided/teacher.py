"""Networks that are learned from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relaytrack.reid.backbones.osnet_in import OSNetIN
from relaytrack.reid.backends import OnnxBackend
from relaytrack.reid.errors import WeightsError
from relaytrack.reid.guided.pictures import HEIGHT, WIDTH
from relaytrack.reid.imagenet import IMAGENET_MEAN, IMAGENET_STD
from relaytrack.reid.inherit import read_retail

_AT_ONCE = 2  # pictures in a call of onnxruntime: maps of more leave the processor's cache


def normalised(pictures: Tensor) -> Tensor:
    """Pictures in 0..1 as networks want them: ImageNet's zero mean and unit deviation per channel."""
    mean = pictures.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    deviation = pictures.new_tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return (pictures - mean) / deviation


class RetailTeacher(nn.Module):
    """A person-reidentification-retail network of Open Model Zoo as a torch module.

    Args:
        path: its ONNX file.

    Raises:
        WeightsError: the file is missing or another network.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        given = read_retail(path)
        self.dim = len(given.project_weight)
        self.backbone = OSNetIN(given.width)
        self.backbone.load_state_dict(given.backbone)
        self.register_buffer("pool", given.pool_weight[:, 0])
        self.register_buffer("shift", given.pool_bias)
        self.project = nn.Linear(given.project_weight.shape[1], self.dim)
        self.project.load_state_dict({"weight": given.project_weight, "bias": given.project_bias})
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised pictures (B, 3, 256, 128) -> embeddings (B, D) of length 1; autocast may be on around it."""
        pooled = (self.backbone(images).float() * self.pool).sum(dim=(2, 3)) + self.shift
        return F.normalize(self.project(pooled).float())


class OnnxTeacher(nn.Module):
    """Any embedding network in an ONNX file, run by onnxruntime: on a CPU several times faster than torch.

    Args:
        path: takes ImageNet-normalised pictures (B, 3, 256, 128), gives embeddings (B, D).

    Raises:
        WeightsError: the file is unreadable, or such pictures do not fit.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        self._network = OnnxBackend(Path(path), torch.device("cpu"), torch.get_num_threads())
        self.dim = self._network.dim
        if self._network.input_size != (HEIGHT, WIDTH):
            raise WeightsError(f"{path} takes pictures of {self._network.input_size}, not {(HEIGHT, WIDTH)}")

    def forward(self, images: Tensor) -> Tensor:
        """Normalised pictures (B, 3, 256, 128) -> embeddings (B, D) of length 1."""
        parts = [self._network.run(part) for part in torch.split(images, _AT_ONCE)]
        return F.normalize(torch.from_numpy(np.concatenate(parts)).to(images.device))


def load_teacher(path: Path | str, device: torch.device) -> RetailTeacher | OnnxTeacher:
    """A retail network in the form that is faster on a device.

    Raises:
        WeightsError: the file is missing or another network.
    """
    if device.type != "cpu":
        return RetailTeacher(path).to(device)
    read_retail(path)
    return OnnxTeacher(path)


class Teachers:
    """Several teachers, each on a picture and its mirror image.

    On a GPU a CUDA graph replays them: they are many small kernels.

    Args:
        networks: the teachers, on their device.
        batch: pictures per call.
        device: where they are.
    """

    def __init__(self, networks: Sequence[nn.Module], batch: int, device: torch.device) -> None:
        self._networks = networks
        self._autocast = torch.autocast(device.type, torch.float16, enabled=device.type == "cuda")
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type != "cuda":
            return
        self._input = torch.rand(batch, 3, HEIGHT, WIDTH, device=device)
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self._run(self._input)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = self._run(self._input)

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        """Of pictures (B, 3, 256, 128) in 0..1: per teacher an embedding (B, D) of length 1.

        On a GPU the result is overwritten by the next call.
        """
        if self._graph is None:
            return self._run(pictures)
        self._input.copy_(pictures)
        self._graph.replay()
        return self._output

    @torch.no_grad()
    def _run(self, pictures: Tensor) -> list[Tensor]:
        with self._autocast:
            images = normalised(pictures)
            return [F.normalize(net(images) + net(images.flip(3))) for net in self._networks]
