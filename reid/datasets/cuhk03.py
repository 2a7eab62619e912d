"""CUHK03 (Li et al., CVPR 2014): labeled and detected crops, the classic and the new protocol.

Three forms are read, the first that is there:

- CUHK03-NP, the new protocol (767/700 identities) laid out like Market-1501 (`relaytrack.reid.datasets.market1501`);
- folders `images_labeled` and `images_detected` with `splits_new_<kind>.json` (new protocol) and
  `splits_classic_<kind>.json` (20 splits with 100 test identities each, single shot), as the usual tools write
  them: lists of objects with "train", "query" and "gallery", each a list of [path, identity, camera] (only the last
  part of the path counts, so a folder may be moved);
- the authors' `cuhk-03.mat`, unpacked once into such folders (`relaytrack.reid.datasets.cuhk03_release`).

`cuhk03_part` is a folder of labelled crops alone, named `<id>_c<camera>_<number>.jpg`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.reid.datasets.base import (
    PARTS,
    CountWarning,
    ReidDataset,
    Split,
    check_counts,
    need_folder,
    split_queries,
)
from relaytrack.reid.datasets.cuhk03_release import RELEASE, new_protocol, unpack
from relaytrack.reid.datasets.market1501 import LAYOUTS, load_market_layout, read_folder
from relaytrack.reid.datasets.validation_ids import CUHK03_PART
from relaytrack.reid.errors import DatasetError

KINDS = ("labeled", "detected")
SPLITS = 20
TEST_IDENTITIES = 100
_HOMES = ("cuhk03", "CUHK03", "cuhk03_release", "cuhk03/cuhk03_release", ".")


def load_cuhk03_classic(root: Path, parts: Sequence[str] = PARTS, *, kind: str) -> list[ReidDataset]:
    """The classic splits of "labeled" or "detected" images.

    Each data set is to be ranked single shot (`relaytrack.reid.evaluation.single_shot`) and the scores averaged.

    Raises:
        DatasetError: a folder or the file of splits is missing or malformed, or a split is empty.

    Warns:
        CountWarning: not 20 splits, or not 100 identities in one's test.
    """
    name = f"cuhk03_classic_{kind}"
    images = _images(root, kind, name)
    made = [
        ReidDataset(name, *splits, single_shot=True)
        for splits in _read_splits(images, images.parent / f"splits_classic_{kind}.json", name)
    ]
    _warn(name, made)
    return [check_counts(one, None, parts) for one in made]


def load_cuhk03_new(root: Path, parts: Sequence[str] = PARTS, *, kind: str) -> ReidDataset:
    """The new protocol of "labeled" or "detected" images.

    Raises:
        DatasetError: a folder or a file of the split is missing or malformed, or a split is empty.

    Warns:
        CountWarning: a split's size differs from the published one.
    """
    name = f"cuhk03_{kind}"
    layout = LAYOUTS[name]
    if any((root / home / folder).is_dir() for home in (*layout.homes, ".") for folder in layout.folders):
        return load_market_layout(root, parts, name=name)
    images = _images(root, kind, name)
    path = images.parent / f"splits_new_{kind}.json"
    if path.is_file():
        splits = _read_splits(images, path, name)[0]
    else:
        splits = _splits(images, new_protocol(images.parent / f"cuhk03_new_protocol_config_{kind}.mat"))
    return check_counts(ReidDataset(name, *splits), layout.counts, parts)


def load_cuhk03_part(root: Path, parts: Sequence[str] = PARTS) -> ReidDataset:
    """A folder of crops `<id>_c<camera>_<number>.jpg`, `cuhk03_train` in `root` or `root` itself.

    All are the training split, from which `relaytrack.reid.datasets.factory.hold_out` parts the 100 fixed validation
    people. Query and gallery are those people: the first image of each under each camera against the others.

    Raises:
        DatasetError: no such folder, no image in it, a name of another form, or none of the validation people where
            query or gallery are asked for.
    """
    name = "cuhk03_part"
    home = root / "cuhk03_train" if (root / "cuhk03_train").is_dir() else root
    train = read_folder(home, name)
    held = train.take(np.isin(train.ids, sorted(CUHK03_PART)))
    queries = split_queries(held)
    return check_counts(ReidDataset(name, train, held.take(queries), held.take(~queries)), None, parts)


def _images(root: Path, kind: str, name: str) -> Path:
    """The folder of images; made from the authors' file if only that is there."""
    need_folder(root, name)
    homes = [root / home for home in _HOMES]
    for home in homes:
        if (home / f"images_{kind}").is_dir():
            return home / f"images_{kind}"
    for home in homes:
        if (home / RELEASE).is_file():
            unpack(home / RELEASE, home, kind)
            return home / f"images_{kind}"
    raise DatasetError(f"{name}: neither a folder images_{kind} nor {RELEASE} in {root}")


def _read_splits(images: Path, path: Path, name: str) -> list[tuple[Split, Split, Split]]:
    try:
        made = [_splits(images, entry) for entry in json.loads(path.read_text(encoding="utf-8-sig"))]
    except OSError as error:
        raise DatasetError(f"{name}: cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise DatasetError(f"{name}: {path} is not a list of train, query and gallery: {error!r}") from error
    if not made:
        raise DatasetError(f"{name}: {path} has no splits")
    return made


def _splits(images: Path, entry: Mapping[str, Sequence[Sequence[Any]]]) -> tuple[Split, Split, Split]:
    train, query, gallery = (
        Split.of([(images / Path(row[0]).name, int(row[1]), int(row[2])) for row in entry[part]]) for part in PARTS
    )
    return train, query, gallery


def _warn(name: str, made: list[ReidDataset]) -> None:
    said = []
    if len(made) != SPLITS:
        said.append(f"{len(made)} splits instead of {SPLITS}")
    for number, one in enumerate(made):
        if len(one.query.identities) != TEST_IDENTITIES:
            said.append(f"split {number} tests {len(one.query.identities)} identities instead of {TEST_IDENTITIES}")
            break
    if said:
        warnings.warn(f"{name}: {'; '.join(said)}", CountWarning, stacklevel=3)
