"""Your own images: a folder of `<identity>_<camera>_*.jpg`, or a CSV file with columns path, id, camera, split.

Identities and cameras may be any text without an underscore (in a CSV file: any text); they are numbered in
sorted order, the same in all splits.
"""

from __future__ import annotations

import codecs
import csv
import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from relaytrack.reid.datasets.base import (
    EMPTY,
    PARTS,
    CountWarning,
    ReidDataset,
    Split,
    images_below,
    list_images,
    need_folder,
    split_queries,
)
from relaytrack.reid.errors import DatasetError
from relaytrack.reid.paths import plain_path

_Row = tuple[Path, str, str, str]


def load_folder(root: Path) -> ReidDataset:
    """Load a folder of `<identity>_<camera>_*.jpg`.

    With sub-folders `train`, `query`, `gallery` (any of them) each is its split. Without, all images are the
    training split, and the first of each identity and camera is a query against the others: to judge a network
    on people it has not learned, keep them in folders of their own. Capitals in the sub-folders' names do not count.

    Raises:
        DatasetError: no folder, no images, a name without identity and camera, or the folders of a published data set.

    Warns:
        CountWarning: images lie beside the sub-folders, where none is looked for.
    """
    need_folder(root, "folder")
    other = layout_of(root)
    if other is not None:
        raise DatasetError(
            f"folder: {root} has the folders of another data set: give --dataset {other} (name: {other})"
        )
    parts = _split_folders(root)
    beside = list_images(root) if parts else []
    if beside:
        warnings.warn(
            f"folder: {len(beside)} images lie in {root} beside its folders {', '.join(parts)} and are left out",
            CountWarning,
            stacklevel=2,
        )
    rows: list[_Row] = []
    for split, folder in parts.items() or [("", root)]:
        for path in list_images(folder):
            pieces = path.stem.split("_")
            if len(pieces) < 2 or not all(pieces[:2]):
                raise DatasetError(f"folder: {path} is not named <identity>_<camera>_*")
            rows.append((path, pieces[0], pieces[1], split))
    if not rows:
        raise DatasetError(f"folder: no images in {root}{_deeper(root)}")
    return _numbered("folder", rows)


def layout_of(root: Path) -> str | None:
    """The published data set whose folders lie in `root`, by the name that it is loaded by; None for none."""
    there = {path.name for path in root.iterdir()}
    if {"bounding_box_train", "bounding_box_test"} & there:
        names = (path.name for path in (root / "query").glob("*_f[0-9]*.jpg"))
        return "dukemtmc" if next(names, None) else "market1501"
    if {"image_train", "image_test", "image_query"} & there:
        return "veri"
    return "msmt17" if {"list_train.txt", "list_query.txt"} & there else None


def _split_folders(root: Path) -> dict[str, Path]:
    """The sub-folders that are splits, with capitals or without; a name in small letters counts first."""
    there = {path.name: path for path in sorted(root.iterdir()) if path.is_dir()}
    found: dict[str, Path] = {}
    for split in PARTS:
        named = there.get(split) or next((path for name, path in there.items() if name.lower() == split), None)
        if named is not None:
            found[split] = named
    return found


def _deeper(root: Path) -> str:
    """A hint where the images lie in folders below those that are looked into."""
    try:
        first = images_below(root)[0]
    except DatasetError:
        return ""
    return f", but in folders below, as {first}: put them into {root} or its train, query and gallery themselves"


def load_crops(root: Path) -> ReidDataset:
    """Load a folder of pictures of people whose identities nobody knows; sub-folders count too.

    All are the training split, each an identity of its own, under one camera: for distillation.

    Raises:
        DatasetError: no folder, or no images.
    """
    paths = images_below(root)
    train = Split(tuple(paths), np.arange(len(paths)), np.zeros(len(paths), np.int64))
    return ReidDataset("crops", train, EMPTY, EMPTY)


def load_csv(file: Path) -> ReidDataset:
    """Load a CSV file with the columns path, id, camera and, optionally, split (train, query or gallery).

    Paths are relative to the file's folder. Without splits it is as in a flat folder (`load_folder`). The file is
    UTF-8, or UTF-16 with its mark, with commas, semicolons or tabs between the columns; spaces around a value and
    capitals in the names of columns and splits do not count.

    Raises:
        DatasetError: the file is missing, has no rows, lacks a column, names another split, or names a split in some
            rows only; the line is named.
    """
    rows: list[_Row] = []
    numbers: list[int] = []
    try:
        reader = _table(file)
        lacking = {"path", "id", "camera"} - set(reader.fieldnames or ())
        if lacking:
            found = ", ".join(name[:30] for name in list(reader.fieldnames or ())[:6])
            raise DatasetError(f"csv: {file} has no column {', '.join(sorted(lacking))}; its columns are: {found}")
        for row in reader:
            path, who, camera, split = ((row.get(name) or "").strip() for name in ("path", "id", "camera", "split"))
            split = split.lower()
            if not path or not who or not camera or "\0" in path:
                raise DatasetError(f"csv: {file} line {reader.line_num}: path, id and camera are needed")
            if split not in ("", *PARTS):
                raise DatasetError(
                    f"csv: {file} line {reader.line_num}: split {split[:40]!r} is none of {', '.join(PARTS)}"
                )
            rows.append((_listed(file.parent, path), who, camera, split))
            numbers.append(reader.line_num)
    except OSError as error:
        raise DatasetError(f"csv: cannot read {file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"csv: cannot read {file}: it is no UTF-8 text of rows and columns") from error
    except csv.Error as error:
        raise DatasetError(f"csv: cannot read {file}: {error}") from error
    if not rows:
        raise DatasetError(f"csv: {file} has no rows")
    without = [number for number, row in zip(numbers, rows, strict=True) if not row[3]]
    if without and len(without) < len(rows):
        raise DatasetError(
            f"csv: {file} line {without[0]}: the split is empty ({len(without)} of {len(rows)} rows); write train, "
            "query or gallery in every row, or in none"
        )
    return _numbered("csv", rows)


def _listed(folder: Path, text: str) -> Path:
    """The image that a row names; Windows writes a backslash between folders."""
    path = folder / plain_path(text)
    if "\\" in text and not path.exists():
        path = folder / plain_path(text.replace("\\", "/"))
    return path


def _table(file: Path) -> csv.DictReader[str]:
    """The rows of a CSV file by the names of their columns, whatever spreadsheet wrote it.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is no text.
    """
    data = file.read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if utf16 else "utf-8-sig")
    if text[:4].lower() == "sep=":  # what Excel wants to be told
        text = text.partition("\n")[2]
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    return reader


def _numbered(name: str, rows: Sequence[_Row]) -> ReidDataset:
    _, ids = np.unique([row[1] for row in rows], return_inverse=True)
    _, cameras = np.unique([row[2] for row in rows], return_inverse=True)
    whole = Split(tuple(row[0] for row in rows), ids.astype(np.int64), cameras.astype(np.int64))
    splits = np.array([row[3] for row in rows])
    if (splits == "").all():
        queries = split_queries(whole)
        return ReidDataset(name, whole, whole.take(queries), whole.take(~queries))
    made = [whole.take(splits == split) if (splits == split).any() else EMPTY for split in PARTS]
    return ReidDataset(name, made[0], made[1], made[2])
