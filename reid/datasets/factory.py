"""One name per data set, and several joined to one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from relaytrack.reid.datasets.base import GALLERY, JUNK, PARTS, QUERY, TRAIN, ReidDataset, Split
from relaytrack.reid.datasets.cuhk03 import KINDS, load_cuhk03_classic, load_cuhk03_new, load_cuhk03_part
from relaytrack.reid.datasets.market1501 import LAYOUTS, load_market_layout
from relaytrack.reid.datasets.msmt17 import load_msmt17
from relaytrack.reid.datasets.own import load_crops, load_csv, load_folder
from relaytrack.reid.datasets.validation_ids import FIXED
from relaytrack.reid.errors import DatasetError


def _one(loader: Callable[[Path, Sequence[str]], ReidDataset]) -> Callable[[Path, Sequence[str]], list[ReidDataset]]:
    return lambda root, parts: [loader(root, parts)]


def _own(loader: Callable[[Path], ReidDataset]) -> Callable[[Path, Sequence[str]], list[ReidDataset]]:
    """What may lack any split is read as a whole."""
    return lambda root, parts: [loader(root)]


_LOADERS: dict[str, Callable[[Path, Sequence[str]], list[ReidDataset]]] = {
    **{name: _one(partial(load_market_layout, name=name)) for name in LAYOUTS},
    **{f"cuhk03_{kind}": _one(partial(load_cuhk03_new, kind=kind)) for kind in KINDS},
    **{f"cuhk03_classic_{kind}": partial(load_cuhk03_classic, kind=kind) for kind in KINDS},
    "cuhk03_part": _one(load_cuhk03_part),
    "msmt17": _one(load_msmt17),
    "crops": _own(load_crops),
    "folder": _own(load_folder),
    "csv": _own(load_csv),
}
NAMES = tuple(_LOADERS)


def load_splits(name: str, root: Path | str, parts: Sequence[str] = PARTS) -> list[ReidDataset]:
    """Load a data set with all its divisions: one, but 20 for CUHK03's classic protocol (scores are averaged).

    Args:
        name: one of `NAMES`.
        root: the data set's folder, or the folder that it was unpacked in; a file for "csv".
        parts: the splits that will be used, of "train", "query" and "gallery"; the others need not be there and may
            be empty in what is returned.

    Raises:
        DatasetError: unknown name (the nearest one is named), wrong root, a missing or empty split of `parts`.

    Warns:
        CountWarning: a split's size differs from the published one.
    """
    if name not in _LOADERS:
        near = difflib.get_close_matches(name, NAMES, 1, 0.4)
        hint = f", did you mean {near[0]}?" if near else ""
        raise DatasetError(f"unknown data set {name!r}{hint} (one of {', '.join(NAMES)})")
    return _LOADERS[name](Path(root), parts)


def load_dataset(name: str, root: Path | str) -> ReidDataset:
    """Load a data set (its first division where there are several); see `load_splits`."""
    return load_splits(name, root)[0]


def load_train(name: str, root: Path | str) -> Split:
    """The images to learn from, without junk; query and gallery need not be there. See `load_splits`."""
    train = load_splits(name, root, (TRAIN,))[0].train
    return train.take(train.ids != JUNK)


def load_tested(name: str, root: Path | str) -> list[ReidDataset]:
    """Query and gallery of every division; the images to learn from need not be there. See `load_splits`."""
    return load_splits(name, root, (QUERY, GALLERY))


def hold_out(dataset: str, train: Split) -> tuple[Split, Split]:
    """Part a training split in (learned from, validation) by identity.

    Market-1501 and `cuhk03_part` have fixed lists of 100 identities (`relaytrack.reid.datasets.validation_ids`);
    elsewhere every seventh identity is held out.
    """
    fixed = FIXED.get(dataset)
    held = train.identities[::7] if fixed is None else np.array(sorted(fixed), np.int64)
    mask = np.isin(train.ids, held)
    return train.take(~mask), train.take(mask)


def join(splits: Sequence[Split]) -> Split:
    """One split of several data sets; identities and cameras of different sets stay different."""
    paths: list[Path] = []
    ids, cameras = [], []
    next_id = next_camera = 0
    for split in splits:
        paths.extend(split.paths)
        known, number = np.unique(split.ids, return_inverse=True)
        ids.append(number.astype(np.int64) + next_id)
        places, camera = np.unique(split.cameras, return_inverse=True)
        cameras.append(camera.astype(np.int64) + next_camera)
        next_id += len(known)
        next_camera += len(places)
    return Split(tuple(paths), np.concatenate(ids), np.concatenate(cameras))
