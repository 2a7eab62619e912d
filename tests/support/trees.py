"""Folders of tiny pictures, named as data sets name them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from relaytrack.reid.datasets.base import CountWarning, ReidDataset
from relaytrack.reid.datasets.factory import load_dataset


def draw(path: Path, seed: int = 0) -> None:
    """Write a picture of noise, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, (32, 16, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)


def tree(root: Path, names: Iterable[str]) -> Path:
    """Write a picture under each name below a folder."""
    for seed, name in enumerate(names):
        draw(root / name, seed)
    return root


def quietly(name: str, root: Path) -> ReidDataset:
    """A data set of another size than the published one, without the warning about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CountWarning)
        return load_dataset(name, root)
