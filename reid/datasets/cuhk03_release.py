"""CUHK03 as its authors released it, one MATLAB file: unpacked once into folders and lists of splits.

`cuhk-03.mat` (MATLAB 7.3, which is HDF5) holds for each of five pairs of cameras a table of people with ten images
each, five per camera and some of them empty, once cut by hand ("labeled") and once by a detector ("detected"), and
20 test sets of 100 people. The new protocol (Zhong et al., CVPR 2017) is a file of its own,
`cuhk03_new_protocol_config_<kind>.mat`, with the names of the unpacked images.
"""

from __future__ import annotations

import importlib
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from relaytrack.reid.datasets.base import PARTS
from relaytrack.reid.errors import DatasetError
from relaytrack.reid.outputs import write_whole, writing

RELEASE = "cuhk-03.mat"
_PER_CAMERA = 5

log = logging.getLogger(__name__)

Row = tuple[str, int, int]
"""File name, identity, camera (1 or 2): one image of a split."""


def unpack(mat: Path, home: Path, kind: str) -> None:
    """Write `images_<kind>` and `splits_classic_<kind>.json` beside each other.

    Images are named `<pair>_<identity>_<camera>_<number>.png`, all numbers from 1.

    Args:
        mat: the authors' file.
        home: folder to write to.
        kind: "labeled" or "detected".

    Raises:
        DatasetError: h5py is not installed, the file is not the release, or the folder cannot be written.
    """
    try:
        h5py = importlib.import_module("h5py")
    except ImportError as error:
        raise DatasetError(f"cuhk03: reading {mat} needs the package h5py: pip install h5py") from error
    target, part = home / f"images_{kind}", home / f"images_{kind}.part"
    log.info("unpacking the %s images of %s to %s, once", kind, mat, target)
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        with h5py.File(mat, "r") as file:
            people: dict[tuple[int, int], list[str]] = {}
            for pair, identity, name, image in _images(file, kind):
                if not cv2.imwrite(str(part / name), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
                    raise DatasetError(f"cuhk03: cannot write {part / name}")
                people.setdefault((pair, identity), []).append(name)
            tests = [{(int(pair), int(who)) for pair, who in file[one][()].T} for one in file["testsets"][0]]
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"cuhk03: cannot unpack {mat} to {home}: {reason}") from error
    splits = [_classic(people, test) for test in tests]
    write_whole(home / f"splits_classic_{kind}.json", json.dumps(splits).encode())
    with writing(target):
        part.replace(target)


def _images(file: Any, kind: str) -> Iterator[tuple[int, int, str, Any]]:
    """(pair, identity, file name, (H, W, 3) uint8 RGB) of every image that is not empty."""
    for pair, table in enumerate(file[kind][0], start=1):
        for identity, row in enumerate(file[table][()].T, start=1):
            for number, cell in enumerate(row, start=1):
                image = np.ascontiguousarray(file[cell][()].T)  # MATLAB's order of axes is the other way round
                if image.ndim == 3 and image.shape[2] == 3 and image.size:
                    camera = 1 if number <= _PER_CAMERA else 2
                    yield pair, identity, f"{pair}_{identity:03d}_{camera}_{number:02d}.png", image.astype(np.uint8)


def _classic(people: dict[tuple[int, int], list[str]], test: set[tuple[int, int]]) -> dict[str, list[Row]]:
    """One split: everybody of `test` is query and gallery, everybody else is learned from."""
    rows: dict[bool, list[Row]] = {True: [], False: []}
    for label, (person, names) in enumerate(sorted(people.items())):
        rows[person in test].extend((name, label, _camera(name)) for name in names)
    return {"train": rows[False], "query": rows[True], "gallery": rows[True]}


def new_protocol(config: Path) -> dict[str, list[Row]]:
    """The split of the new protocol from its own MATLAB file.

    Raises:
        DatasetError: the file is missing or something else.
    """
    from scipy.io import loadmat

    try:
        values = loadmat(str(config))
        names = [str(cell[0]) for cell in values["filelist"].ravel()]
        labels = values["labels"].ravel().astype(int)
        made = {}
        for split in PARTS:
            chosen = values[f"{split}_idx"].ravel().astype(int) - 1
            made[split] = [(names[at], int(labels[at]), _camera(names[at])) for at in chosen]
    except FileNotFoundError as error:
        raise DatasetError(f"cuhk03: {config} is missing; the new protocol needs it") from error
    except Exception as error:  # scipy raises many kinds for files that are something else
        raise DatasetError(
            f"cuhk03: {config} does not hold the new protocol: {' '.join(str(error).split())}"
        ) from error
    return made


def _camera(name: str) -> int:
    return int(Path(name).name.split("_")[2])
