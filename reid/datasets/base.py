"""What every data set is made of: three splits of images with an identity and a camera each."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.errors import DatasetError
from relaytrack.reid.picture_kinds import is_picture, left_out

Ids = NDArray[np.int64]

JUNK = -1
"""Identity of images that evaluation leaves out (Market-1501's "-1": neither right nor wrong)."""


class CountWarning(UserWarning):
    """A split does not hold as many images as its authors published, or files of its folder are left out."""


@dataclass(frozen=True, slots=True)
class Split:
    """Some images.

    Attributes:
        paths: N files.
        ids: (N,) identity of each; `JUNK` (-1) is left out of every evaluation.
        cameras: (N,) camera of each.
    """

    paths: tuple[Path, ...]
    ids: Ids
    cameras: Ids

    def __post_init__(self) -> None:
        if not len(self.paths) == len(self.ids) == len(self.cameras):
            raise DatasetError(f"{len(self.paths)} paths, {len(self.ids)} ids and {len(self.cameras)} cameras")

    @classmethod
    def of(cls, rows: Sequence[tuple[Path, int, int]]) -> Self:
        """From (path, id, camera) triples."""
        return cls(
            tuple(row[0] for row in rows),
            np.array([row[1] for row in rows], np.int64),
            np.array([row[2] for row in rows], np.int64),
        )

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, chosen: NDArray[np.bool_] | Ids) -> Split:
        """The images of a boolean mask (N,) or of an array of indices."""
        indices = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return Split(tuple(self.paths[i] for i in indices), self.ids[indices], self.cameras[indices])

    @property
    def identities(self) -> Ids:
        """The sorted identities without junk."""
        return np.unique(self.ids[self.ids != JUNK])


EMPTY = Split((), np.zeros(0, np.int64), np.zeros(0, np.int64))

TRAIN, QUERY, GALLERY = "train", "query", "gallery"
PARTS = (TRAIN, QUERY, GALLERY)
"""The names of a data set's splits, in the order in which they are written everywhere."""


@dataclass(frozen=True, slots=True)
class ReidDataset:
    """A data set.

    Attributes:
        name: as in `relaytrack.reid.datasets.factory.NAMES`.
        train: images to learn from; `EMPTY`, as the other two, where it was not asked for.
        query: one image per query.
        gallery: the images that are ranked for each query.
        same_camera_out: leave the query's own identity under the query's own camera out of its ranking.
        single_shot: rank one random image of each gallery identity at a time (CUHK03's classic protocol).
    """

    name: str
    train: Split
    query: Split
    gallery: Split
    same_camera_out: bool = True
    single_shot: bool = False


def need_folder(path: Path, dataset: str) -> Path:
    """`path` when it is a folder.

    Raises:
        DatasetError: it is not there.
    """
    if not path.is_dir():
        raise DatasetError(f"{dataset}: no folder {path}")
    return path


def list_images(folder: Path) -> list[Path]:
    """The images directly inside a folder, by name (see `_only_images`)."""
    return _only_images(folder, folder.iterdir())


def _only_images(folder: Path, paths: Iterable[Path]) -> list[Path]:
    """The files among `paths` that are images by their names, in order.

    Left out are hidden files and folders (macOS writes `._name.jpg` beside each picture), macOS's `__MACOSX`, folders
    that are called like a picture, and links that lead nowhere.

    Warns:
        CountWarning: there are links that lead nowhere, or pictures of kinds that are not read.
    """
    shown = [path for path in paths if not _hidden(path, folder)]
    others = left_out(shown)
    if others:
        warnings.warn(f"{folder}: {others}", CountWarning, stacklevel=3)
    named = sorted(path for path in shown if is_picture(path))
    lost = [path for path in named if path.is_symlink() and not path.exists()]
    if lost:
        lead = "1 link leads" if len(lost) == 1 else f"{len(lost)} links lead"
        warnings.warn(f"{lead} nowhere, the first is {lost[0]}", CountWarning, stacklevel=3)
    return [path for path in named if path.is_file()]


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts)


def check_counts(
    dataset: ReidDataset, expected: tuple[int, int, int] | None, parts: Sequence[str] = PARTS
) -> ReidDataset:
    """Compare the sizes of train, query and gallery with the published ones.

    Args:
        dataset: what was read.
        expected: published sizes of train, query and gallery; None where there are none to check.
        parts: the splits that were asked for; the others are not looked at.

    Raises:
        DatasetError: a split is empty.

    Warns:
        CountWarning: a split's size differs; the message says which and by how much.
    """
    sizes = dict(zip(PARTS, map(len, (dataset.train, dataset.query, dataset.gallery)), strict=True))
    for split, size in sizes.items():
        if size == 0 and split in parts:
            raise DatasetError(f"{dataset.name}: the {split} split has no images")
    if expected is not None:
        wrong = [
            f"{split} has {size:,} images instead of {right:,} ({size - right:+,})"
            for (split, size), right in zip(sizes.items(), expected, strict=True)
            if size != right and split in parts
        ]
        if wrong:
            warnings.warn(f"{dataset.name}: {'; '.join(wrong)}", CountWarning, stacklevel=3)
    return dataset


def images_below(folder: Path) -> list[Path]:
    """The images of a folder and all its sub-folders, by path.

    Raises:
        DatasetError: no such folder, or no images in it.
    """
    need_folder(folder, "images")
    found = _only_images(folder, folder.rglob("*"))
    if not found:
        raise DatasetError(f"no images in {folder}")
    return found


def split_queries(split: Split) -> NDArray[np.bool_]:
    """Which images of a split serve as queries against the rest: the first of each identity and camera."""
    _, first = np.unique(np.stack((split.ids, split.cameras), 1), axis=0, return_index=True)
    chosen = np.zeros(len(split), np.bool_)
    chosen[first] = True
    return chosen
