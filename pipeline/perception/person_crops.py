"""Cuts the people of a batch out of its frames: batched on the device, without a loop over people."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d, grid_sample

from relaytrack.pipeline.records import Floats, Image

_SIZES_KEPT = 16
"""Picture sizes whose memory is kept from batch to batch."""


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """Run torch on one CPU thread meanwhile.

    The work is small and the other cores are busy with other stages: waiting for them at the barriers of a
    parallel region costs more than the work (ten times as much on two loaded cores).
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Canvases(threading.local):
    """The memory of each thread's pictures, by their size."""

    def __init__(self) -> None:
        self.by_size: dict[tuple[int, int], torch.Tensor] = {}


class Cropper:
    """Cuts and resizes the boxes of several pictures at once.

    A crop is what cutting the box out and resizing it bilinearly gives (half-pixel convention, nothing from
    beyond the box), for boxes at fractions of a pixel too. A box at least twice (four, eight times, ...) as large
    as the output is taken from the picture halved once (twice, three times, ...), so that fine patterns do not
    alias. A crop depends on its own picture and box alone, to the last bit.

    Pictures of one size share one operation, so cameras of the same size cost one per batch. Several threads may
    use it at once.

    Args:
        size: (height, width) of the crops, pixels.
        device: "cpu", "cuda" or "cuda:i".
    """

    def __init__(self, size: tuple[int, int], device: str = "cpu") -> None:
        self.size = size
        self.device = torch.device(device)
        self._memory = _Canvases()

    @torch.no_grad()
    def crop(self, images: Sequence[Image], boxes: Sequence[Floats]) -> torch.Tensor:
        """Cut every box out of its picture.

        Args:
            images: uint8 RGB (H, W, 3), of any sizes.
            boxes: for each picture (N, 4) xyxy pixels. They are cut to the picture; of a box that is smaller
                than a pixel, or outside, the nearest pixel is taken.

        Returns:
            (sum of N, 3, height, width) float32 RGB in 0..1 on the device: the first picture's boxes first.
        """
        with one_thread(self.device):
            return self._crop(images, boxes)

    def _crop(self, images: Sequence[Image], boxes: Sequence[Floats]) -> torch.Tensor:
        counts = np.array([len(found) for found in boxes], np.int64)
        first = np.cumsum(counts) - counts
        out = torch.empty((int(counts.sum()), 3, *self.size), dtype=torch.float32, device=self.device)
        shapes: dict[tuple[int, int], list[int]] = {}
        for number, (image, found) in enumerate(zip(images, boxes, strict=True)):
            if len(found):
                shapes.setdefault(image.shape[:2], []).append(number)
        for shape, members in shapes.items():
            canvas = self._canvas([images[number] for number in members], shape)
            regions = np.concatenate([at_least_a_pixel(boxes[number], *shape) for number in members])
            owner = np.repeat(np.arange(len(members)), counts[members])
            row = np.concatenate([first[number] + np.arange(counts[number]) for number in members])
            ratio = ((regions[:, 2:] - regions[:, :2]) / np.array(self.size[::-1])).min(axis=1)
            halvings = np.log2(np.maximum(ratio, 1)).astype(np.int64)
            for level in range(int(halvings.max()) + 1):
                some = np.flatnonzero(halvings == level)
                if len(some):
                    crops = self._sample(canvas, owner[some], (regions[some] / 2**level).astype(np.float32))
                    if len(some) == len(out):  # one size, no halvings: everything is in its place
                        return crops
                    out[torch.from_numpy(row[some]).to(self.device)] = crops
                canvas = avg_pool2d(canvas, 2, ceil_mode=True) if level < halvings.max() else canvas
        return out

    def _canvas(self, images: list[Image], shape: tuple[int, int]) -> torch.Tensor:
        """Put pictures of one size into one (K, 3, H, W) float32 tensor, values 0..255; its memory is kept."""
        kept = self._memory.by_size
        canvas = kept.get(shape)
        if canvas is None or len(canvas) < len(images):
            canvas = torch.empty((len(images), *shape, 3), dtype=torch.float32, device=self.device)
            if len(kept) >= _SIZES_KEPT:
                kept.clear()
            kept[shape] = canvas
        for row, image in zip(canvas, images, strict=False):
            row.copy_(torch.from_numpy(np.require(image, requirements=["C", "W"])).to(self.device))
        return canvas[: len(images)].permute(0, 3, 1, 2)

    def _sample(self, canvas: torch.Tensor, owner: NDArray[np.int64], regions: Floats) -> torch.Tensor:
        """Sample regions (N, 4) of the pictures `owner` (N,), ascending: (N, 3, height, width) in 0..1."""
        (height, width), pictures = self.size, len(canvas)
        count = np.bincount(owner, minlength=pictures)
        slot = np.arange(len(owner)) - (np.cumsum(count) - count)[owner]
        most = int(count.max())
        xs = np.zeros((pictures, most, width), np.float32)
        ys = np.zeros((pictures, most, height), np.float32)
        xs[owner, slot] = _places(regions[:, 0], regions[:, 2], width, canvas.shape[3])
        ys[owner, slot] = _places(regions[:, 1], regions[:, 3], height, canvas.shape[2])
        grid = torch.empty((pictures, most, height, width, 2), dtype=torch.float32, device=self.device)
        grid[..., 0] = torch.from_numpy(xs).to(self.device)[:, :, None, :]
        grid[..., 1] = torch.from_numpy(ys).to(self.device)[:, :, :, None]
        grid = grid.view(pictures, most * height, width, 2)
        found = grid_sample(canvas, grid, padding_mode="border", align_corners=True)
        crops = found.view(pictures, 3, most, height, width).transpose(1, 2)
        if len(owner) == pictures * most:
            return crops.reshape(-1, 3, height, width).mul_(1 / 255)
        index = [torch.from_numpy(each).to(self.device) for each in (owner, slot)]
        return crops[index[0], index[1]].mul_(1 / 255)


def at_least_a_pixel(boxes: Floats, height: int, width: int) -> Floats:
    """Cut boxes (N, 4) xyxy to the picture and widen what is left to one pixel in each direction."""
    limit = np.array([width, height], np.float32)
    low = np.clip(boxes[:, :2], 0, limit - 1)
    high = np.clip(np.maximum(boxes[:, 2:], low + 1), 0, limit)
    return np.concatenate([low, high], 1).astype(np.float32)


def _places(low: Floats, high: Floats, count: int, length: int) -> Floats:
    """Where `count` samples of the stretches low..high (N,) lie on an axis of `length` pixels.

    Returns:
        (N, count) in grid_sample's terms: -1 is the centre of the first pixel, 1 that of the last.
    """
    start, end = low.astype(np.float64)[:, None], high.astype(np.float64)[:, None]
    at = start - 0.5 + (np.arange(count) + 0.5) * (end - start) / count
    at = np.clip(at, start, end - 1)
    return np.asarray(at * (2 / max(length - 1, 1)) - 1, np.float32)
