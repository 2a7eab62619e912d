"""CUHK03 (Li et al., CVPR 2014) in its classic protocol: 20 splits with 100 test identities each, single shot.

The images are expected as the usual tools extract them from `cuhk-03.mat`: folders `images_labeled` and
`images_detected` with names `<pair>_<identity>_<camera>_<number>.png`, and `splits_classic_<kind>.json`, a list of
objects with "train", "query" and "gallery", each a list of [path, identity, camera] (only the last part of the
path counts, so a folder may be moved). The new protocol (767/700 identities) is laid out like Market-1501: see
`reid.datasets.market1501`, names "cuhk03_labeled" and "cuhk03_detected".
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from reid.datasets.base import CountWarning, ReidDataset, Split, check_counts, need_folder
from reid.errors import DatasetError

KINDS = ("labeled", "detected")
SPLITS = 20
TEST_IDENTITIES = 100


def load_cuhk03_classic(root: Path, kind: str) -> list[ReidDataset]:
    """The classic splits of "labeled" or "detected" images.

    Each data set is to be ranked single shot (`reid.evaluation.single_shot`) and the scores averaged.

    Raises:
        DatasetError: a folder or the file of splits is missing or malformed, or a split is empty.

    Warns:
        CountWarning: not 20 splits, or not 100 identities in one's test.
    """
    home = next((root / inner for inner in ("cuhk03", "CUHK03") if (root / inner).is_dir()), root)
    name = f"cuhk03_classic_{kind}"
    images = need_folder(home / f"images_{kind}", name)
    path = home / f"splits_classic_{kind}.json"
    try:
        entries = json.loads(path.read_text())
        made = [
            ReidDataset(
                name,
                _split(images, entry["train"]),
                _split(images, entry["query"]),
                _split(images, entry["gallery"]),
                single_shot=True,
            )
            for entry in entries
        ]
    except OSError as error:
        raise DatasetError(f"{name}: cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise DatasetError(f"{name}: {path} is not a list of train, query and gallery: {error!r}") from error
    if not made:
        raise DatasetError(f"{name}: {path} has no splits")
    _warn(name, made)
    return [check_counts(one, None) for one in made]


def _split(images: Path, rows: list[list[Any]]) -> Split:
    return Split.of([(images / Path(row[0]).name, int(row[1]), int(row[2])) for row in rows])


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
