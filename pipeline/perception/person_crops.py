"""Cuts the people of a batch out of its frames, all people of a picture at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

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

    Only the part of a picture in which people are is read. On a GPU pictures of one size share one operation. Several
    threads may use it at once.

    Args:
        size: (height, width) of the crops, pixels.
        device: "cpu", "cuda" or "cuda:i".
    """

    def __init__(self, size: tuple[int, int], device: str | torch.device = "cpu") -> None:
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
        for members in self._groups(images, boxes):
            regions = np.concatenate([at_least_a_pixel(boxes[number], *images[number].shape[:2]) for number in members])
            owner = np.repeat(np.arange(len(members)), counts[members])
            row = np.concatenate([first[number] + np.arange(counts[number]) for number in members])
            ratio = ((regions[:, 2:] - regions[:, :2]) / np.array(self.size[::-1])).min(axis=1)
            halvings = np.log2(np.maximum(ratio, 1)).astype(np.int64)
            most = int(halvings.max())
            window = _window(regions, most, images[members[0]].shape)
            canvas = self._canvas([images[number] for number in members], window)
            for level in range(most + 1):
                some = np.flatnonzero(halvings == level)
                if len(some):
                    self._sample(canvas, owner[some], (regions[some] / 2**level).astype(np.float32), out, row[some])
                if level < most:
                    canvas, window = self._halved(canvas, window)
        return out

    def _groups(self, images: Sequence[Image], boxes: Sequence[Floats]) -> list[list[int]]:
        """Numbers of the pictures that share one operation: on a GPU those of one size, on a CPU each its own.

        A CPU gains nothing from large operations, and loses where one picture has more boxes than the other.
        """
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, (image, found) in enumerate(zip(images, boxes, strict=True)):
            if len(found):
                key = (number,) if self.device.type == "cpu" else image.shape[:2]
                groups.setdefault(key, []).append(number)
        return list(groups.values())

    def _canvas(self, images: list[Image], window: _Window) -> torch.Tensor:
        """Put pictures of one size into one (K, 3, H, W) float32 tensor, values 0..255; filled within `window` only."""
        height, width = images[0].shape[:2]
        canvas = self._kept(len(images), height, width)
        for row, image in zip(canvas, images, strict=True):
            part = np.require(image[window.rows, window.columns], requirements=["W"])
            if min(part.strides) < 0:
                part = part.copy()
            row[window.rows, window.columns] = torch.from_numpy(part).to(self.device)
        return canvas.permute(0, 3, 1, 2)

    def _halved(self, canvas: torch.Tensor, window: _Window) -> tuple[torch.Tensor, _Window]:
        """The pictures at half the size, and the window in them."""
        height, width = canvas.shape[2:]
        smaller = self._kept(len(canvas), -(-height // 2), -(-width // 2)).permute(0, 3, 1, 2)
        part = avg_pool2d(canvas[:, :, window.rows, window.columns], 2, ceil_mode=True)
        half = window.halved()
        smaller[:, :, half.rows, half.columns] = part
        return smaller, half

    def _kept(self, count: int, height: int, width: int) -> torch.Tensor:
        """(count, height, width, 3) float32 for pictures of one size; this thread's memory of the last time."""
        kept = self._memory.by_size
        canvas = kept.get((height, width))
        if canvas is None or len(canvas) < count:
            canvas = torch.zeros((count, height, width, 3), dtype=torch.float32, device=self.device)
            if len(kept) >= _SIZES_KEPT:
                kept.clear()
            kept[height, width] = canvas
        return canvas[:count]

    def _sample(
        self, canvas: torch.Tensor, owner: NDArray[np.int64], regions: Floats, out: torch.Tensor, row: NDArray[np.int64]
    ) -> None:
        """Sample regions (N, 4) of the pictures `owner` (N,), ascending, into the rows `row` (N,) of `out`, in 0..1."""
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
        if pictures == 1 and row[-1] - row[0] == len(row) - 1:  # in one piece
            torch.mul(crops[0], 1 / 255, out=out[int(row[0]) : int(row[-1]) + 1])
            return
        index = [torch.from_numpy(each).to(self.device) for each in (owner, slot, row)]
        out[index[2]] = crops[index[0], index[1]].mul_(1 / 255)


@dataclass(frozen=True, slots=True)
class _Window:
    """The rows and columns of a picture in which boxes lie."""

    rows: slice
    columns: slice

    def halved(self) -> _Window:
        """The same in the picture at half the size."""
        return _Window(*(slice(one.start // 2, -(-one.stop // 2)) for one in (self.rows, self.columns)))


def _window(regions: Floats, halvings: int, shape: tuple[int, ...]) -> _Window:
    """The window of regions (N, 4), with all that is read around them, to be halved so many times."""
    step = 2**halvings  # a pixel of the smallest picture; windows begin and end with whole ones
    low = (regions[:, :2].min(axis=0) // step - 2).clip(0) * step
    high = (regions[:, 2:].max(axis=0) // step + 3) * step
    (left, top), (right, bottom) = low.astype(int).tolist(), np.minimum(high, shape[1::-1]).astype(int).tolist()
    return _Window(slice(top, bottom), slice(left, right))


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
