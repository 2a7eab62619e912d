"""All crops of a training as one array on the device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from relaytrack.reid.datasets.base import JUNK, Split, images_below
from relaytrack.reid.datasets.factory import join
from relaytrack.reid.errors import DatasetError
from relaytrack.reid.pictures import PictureError, read_picture

HEIGHT, WIDTH = 256, 128
"""Pixels at which crops are kept: what the teachers look at."""


@dataclass(frozen=True, slots=True)
class PictureSource:
    """Crops of one origin.

    Attributes:
        name: of a data set, or of a folder of crops without ids.
        split: its images; ids are `JUNK` where nobody knows them.
        draw: how often an image is drawn, relative to those of other sources.
    """

    name: str
    split: Split
    draw: float = 1.0


@dataclass(frozen=True, slots=True)
class TrainingPictures:
    """What is learned from.

    Attributes:
        images: (N, 256, 128, 3) uint8 RGB on the device.
        labels: (N,) class 0..classes-1 of each image on the device, -1 without an id.
        draw: (N,) weight of each image in random drawing.
        classes: identities of all sources together; ids of different sources never mix.
    """

    images: Tensor
    labels: Tensor
    draw: Tensor
    classes: int


def crops_without_ids(folder: Path) -> Split:
    """Every picture in a folder and the folders below it, without ids.

    Raises:
        DatasetError: there is no such folder, or no picture in it.
    """
    paths = images_below(folder)
    return Split.of([(path, JUNK, 0) for path in paths])


def load_pictures(sources: Sequence[PictureSource], device: torch.device) -> TrainingPictures:
    """Decode all sources; unreadable pictures are left out.

    Raises:
        DatasetError: not one picture can be read.
    """
    paths = [path for source in sources for path in source.split.paths]
    images, good = decode(paths)
    if not good.any():
        raise DatasetError(
            f"none of the {len(paths)} pictures can be read; the first is {paths[0]}" if paths else "no pictures"
        )
    known = join([source.split.take(source.split.ids != JUNK) for source in sources]).ids
    labels = np.full(len(paths), -1, np.int64)
    labels[np.concatenate([source.split.ids for source in sources]) != JUNK] = known
    draw = np.concatenate([np.full(len(source.split), source.draw, np.float32) for source in sources])
    labels, draw = labels[good], draw[good]
    names, labels[labels >= 0] = np.unique(labels[labels >= 0], return_inverse=True)  # of who has a picture left
    return TrainingPictures(
        torch.from_numpy(images)[torch.from_numpy(good)].to(device),
        torch.from_numpy(labels).to(device),
        torch.from_numpy(draw).to(device),
        len(names),
    )


def decode(paths: Sequence[Path]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Pictures as RGB (N, 256, 128, 3) uint8, and which of them could be read (N,)."""
    images = np.zeros((len(paths), HEIGHT, WIDTH, 3), np.uint8)
    good = np.zeros(len(paths), np.bool_)

    def one(number: int) -> None:
        try:
            image = read_picture(paths[number])
        except (OSError, PictureError):
            return
        how = cv2.INTER_AREA if image.shape[0] > HEIGHT else cv2.INTER_LINEAR
        images[number] = cv2.resize(image, (WIDTH, HEIGHT), interpolation=how)
        good[number] = True

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(len(paths))))
    return images, good
