"""MSMT17 (Wei et al., CVPR 2018), both releases: V1 (`train`, `test`) and V2 (`mask_train_v2`, `mask_test_v2`).

The lists name `<identity>/<identity>_<number>_<camera>_...jpg` and the identity's label; training is the list of
training and the list of validation together, as everybody reports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relaytrack.reid.datasets.base import (
    EMPTY,
    GALLERY,
    PARTS,
    QUERY,
    TRAIN,
    ReidDataset,
    Split,
    check_counts,
    need_folder,
)
from relaytrack.reid.errors import DatasetError

_HOMES = ("MSMT17_V2", "MSMT17_V1", "msmt17")
_LAYOUTS = (("mask_train_v2", "mask_test_v2"), ("train", "test"))
COUNTS = (32_621, 11_659, 82_161)


def read_list(home: Path, name: str, folder: str) -> list[tuple[Path, int, int]]:
    """(path, id, camera) of each line of a list.

    Raises:
        DatasetError: the list is missing, or a line is not "path label".
    """
    path = home / name
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise DatasetError(f"msmt17: cannot read {path}: {reason}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            image, label = line.split()
            rows.append((home / folder / image, int(label), int(Path(image).name.split("_")[2])))
        except (ValueError, IndexError) as error:
            raise DatasetError(f"msmt17: {path} line {number} is not '<id>/<name> <label>': {line!r}") from error
    return rows


def load_msmt17(root: Path, parts: Sequence[str] = PARTS) -> ReidDataset:
    """Load MSMT17 from its own folder or the folder that holds it.

    Raises:
        DatasetError: a folder or list of a split of `parts` is missing, malformed or empty.
    """
    home = next((root / inner for inner in _HOMES if (root / inner).is_dir()), root)
    need_folder(home, "msmt17")
    layout = next((names for names in _LAYOUTS if any((home / name).is_dir() for name in names)), None)
    if layout is None:
        raise DatasetError(f"msmt17: neither {home / 'mask_train_v2'} (V2) nor {home / 'train'} (V1) is there")
    train, test = layout
    places = {
        TRAIN: (train, ("list_train.txt", "list_val.txt")),
        QUERY: (test, ("list_query.txt",)),
        GALLERY: (test, ("list_gallery.txt",)),
    }

    def read(part: str) -> Split:
        if part not in parts:
            return EMPTY
        folder, lists = places[part]
        need_folder(home / folder, "msmt17")
        return Split.of([row for name in lists for row in read_list(home, name, folder)])

    found = ReidDataset("msmt17", read(TRAIN), read(QUERY), read(GALLERY))
    return check_counts(found, COUNTS, parts)
