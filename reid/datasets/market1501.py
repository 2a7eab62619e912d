"""Market-1501 (Zheng et al., ICCV 2015) and what is laid out like it: DukeMTMC-reID, Occluded-Duke, VeRi.

Files are named `<id>_c<camera>...`; Market-1501 marks junk with the identity -1 (left out of every ranking) and
distractors with 0 (kept: they are nobody's match).

DukeMTMC-reID was withdrawn by its authors; the loader serves those who have it and may use it, nothing here
fetches it. Occluded-Duke is made of the same images.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from relaytrack.reid.datasets.base import EMPTY, PARTS, ReidDataset, Split, check_counts, list_images, need_folder
from relaytrack.reid.errors import DatasetError

_NAME = re.compile(r"^(-?\d+)_c(\d+)")
_FOLDERS = ("bounding_box_train", "query", "bounding_box_test")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a data set of this kind keeps its images.

    Attributes:
        homes: folders that a download unpacks to.
        counts: published sizes of train, query and gallery; None where there are none to check.
        folders: the folders of train, query and gallery.
    """

    homes: tuple[str, ...]
    counts: tuple[int, int, int] | None
    folders: tuple[str, str, str] = _FOLDERS


LAYOUTS: dict[str, Layout] = {
    "market1501": Layout(("Market-1501-v15.09.15", "market1501"), (12_936, 3_368, 19_732)),
    "dukemtmc": Layout(("DukeMTMC-reID", "dukemtmc-reid"), (16_522, 2_228, 17_661)),
    "occluded_duke": Layout(("Occluded_Duke", "Occluded-DukeMTMC-reID"), (15_618, 2_210, 17_661)),
    "veri": Layout(("VeRi", "VeRi-776"), None, ("image_train", "image_query", "image_test")),
    "cuhk03_labeled": Layout(("CUHK03-NP/labeled", "cuhk03-np/labeled", "labeled"), (7_368, 1_400, 5_328)),
    "cuhk03_detected": Layout(("CUHK03-NP/detected", "cuhk03-np/detected", "detected"), (7_365, 1_400, 5_332)),
}
"""The data sets of this layout, by name."""


def read_folder(folder: Path, dataset: str) -> Split:
    """Read the identities and cameras of a folder from its file names.

    Raises:
        DatasetError: no such folder, or a name that is not `<id>_c<camera>...`.
    """
    rows = []
    for path in list_images(need_folder(folder, dataset)):
        match = _NAME.match(path.name)
        if match is None:
            raise DatasetError(f"{dataset}: {path} is not named <id>_c<camera>...")
        rows.append((path, int(match[1]), int(match[2])))
    return Split.of(rows)


def own_folder(root: Path, name: str) -> Path:
    """The folder of a data set of `LAYOUTS`, where `root` is that folder or the one that holds it."""
    return next((root / inner for inner in LAYOUTS[name].homes if (root / inner).is_dir()), root)


def load_market_layout(root: Path, parts: Sequence[str] = PARTS, *, name: str) -> ReidDataset:
    """Load a data set of `LAYOUTS` from its own folder or the folder that holds it.

    Raises:
        DatasetError: the folder of a split of `parts` is missing or empty.
    """
    layout = LAYOUTS[name]
    home = need_folder(own_folder(root, name), name)
    train, query, gallery = (
        read_folder(home / folder, name) if part in parts else EMPTY
        for part, folder in zip(PARTS, layout.folders, strict=True)
    )
    return check_counts(ReidDataset(name, train, query, gallery), layout.counts, parts)
