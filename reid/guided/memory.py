"""What teachers said about pictures that they see as they are: computed once, kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from relaytrack.reid.guided.teacher import Teachers
from relaytrack.reid.outputs import write_whole, writing


def picture_key(images: Tensor, teachers: Sequence[bytes]) -> str:
    """A name for one list of pictures under one list of teachers.

    Args:
        images: (N, H, W, 3) uint8.
        teachers: each network's file, or anything else that tells it from others.
    """
    digest = hashlib.sha256()
    for teacher in teachers:
        digest.update(hashlib.sha256(teacher).digest())
    for part in torch.split(images, 256):
        digest.update(part.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


class TeacherMemory:
    """Embeddings of the teachers, per picture; those not known yet are asked for, one picture at a time.

    One picture at a time, because a network's answer differs in its last digits with the other pictures of a batch:
    so a resumed training learns from the same numbers.

    Args:
        folder: where the file is kept; its name holds `key`.
        key: of pictures and teachers (`picture_key`).
        images: (N, 256, 128, 3) uint8 RGB.
        ask: the teachers.
        dims: length of each one's embedding.

    Raises:
        ReidOutputError: the file cannot be made.
    """

    def __init__(self, folder: Path, key: str, images: Tensor, ask: Teachers, dims: Sequence[int]) -> None:
        path = folder / f"teachers-{key}.f32"
        shape = (len(images), sum(dims))
        if not path.is_file() or path.stat().st_size != 4 * shape[0] * shape[1]:
            write_whole(path, np.full(shape, np.nan, np.float32).tobytes())
        with writing(path):
            self._told = np.memmap(path, np.float32, "r+", shape=shape)
        self._images, self._ask, self._dims = images, ask, list(dims)

    def __call__(self, chosen: Tensor) -> list[Tensor]:
        """Of pictures by their index (B,): per teacher an embedding (B, D) of length 1, on the pictures' device."""
        rows = chosen.cpu().numpy()
        for row in dict.fromkeys(rows.tolist()):
            if np.isnan(self._told[row, 0]):
                picture = self._images[row : row + 1].permute(0, 3, 1, 2).float() / 255
                self._told[row] = torch.cat(self._ask(picture), dim=1)[0].cpu().numpy()
        told = torch.from_numpy(self._told[rows]).to(self._images.device)
        return list(torch.split(told, self._dims, dim=1))
