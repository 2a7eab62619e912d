"""Which result is measured on which ground truth, by the words of `relaytrack eval`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaytrack.reid.paths import file_path

if TYPE_CHECKING:
    from relaytrack.trackers.evaluation import GroundTruth, MotRows


@dataclass(frozen=True, slots=True)
class Pair:
    """One result and the ground truth it is measured on; messages call them by `origin` and `gt`."""

    name: str
    truth: GroundTruth
    rows: MotRows
    origin: str
    gt: str


def load_pairs(
    gts: Sequence[str], results: Sequence[str], benchmark: Any = None, *, allow_missing: bool = False
) -> list[Pair]:
    """Read and pair ground truths with results.

    Args:
        gts: the words of --gt.
        results: the words of --result.
        benchmark: whose preprocessing to use; None lets each ground truth decide.
        allow_missing: a ground truth without result has an empty one; a warning names it.

    Raises:
        relaytrack.pipeline.errors.InputError: they do not pair up, a ground truth has no result, or two carry one name.
        trackers.TrackerError: a file is absent or malformed.
    """
    from relaytrack.pipeline.errors import InputError
    from relaytrack.trackers.evaluation import read_ground_truth, read_mot, rows_from_arrays

    named_gt = [_split(word) for word in gts]
    named_results: list[tuple[str | None, Path | None]] = [_split(word) for word in results]
    if len(named_gt) == 1 and not (named_gt[0][1] / "gt").is_dir() and _sequences_in(named_gt[0][1]):
        pairs, missing = _expand(named_gt[0][1], named_results)
        _without_result(missing, str(named_results[0][1]), allow_missing)
        named_gt = [(name, gt) for name, gt, _ in pairs]
        named_results = [(name, path) for name, _, path in pairs]
    names = [name for name, _ in named_gt if name]
    for option, given in (("--gt", named_gt), ("--result", named_results)):
        labels = [name for name, _ in given if name]
        twice = next((name for name in labels if labels.count(name) > 1), None)
        if twice:
            raise InputError(f"{option} names {twice!r} twice")
    truths = {path: read_ground_truth(path, benchmark=benchmark) for _, path in named_gt}
    if names and any(name for name, _ in named_results):
        by_name, wanted = dict(named_results), dict(named_gt)
        if None in by_name or None in wanted:
            raise InputError("give every --gt and --result a NAME=, or none")
        unknown = set(by_name) - set(wanted)
        if unknown:
            raise InputError(f"{sorted(map(str, unknown))[0]!r} is not in both --gt and --result")
        _without_result([str(name) for name in wanted if name not in by_name], "--result", allow_missing)
        matched = [(str(name), path, by_name.get(name)) for name, path in named_gt]
    elif len(named_gt) == 1 and len(named_results) > 1:
        matched = [(name or str(path), named_gt[0][1], path) for name, path in named_results]
    elif len(named_gt) == len(named_results):
        matched = [
            (gt_name or name or truths[gt].name, gt, path)
            for (gt_name, gt), (name, path) in zip(named_gt, named_results, strict=True)
        ]
    else:
        raise InputError(f"{len(named_gt)} --gt but {len(named_results)} --result: give one result per ground truth")
    labels = [name for name, _, _ in matched]
    if len(set(labels)) < len(labels):
        matched = [(f"{name} {path}", gt, path) for name, gt, path in matched]
    matched = [(name, gt, path and _file_of(path, truths[gt].name)) for name, gt, path in matched]
    nothing = rows_from_arrays([], [], [])
    return [
        Pair(name, truths[gt], nothing if path is None else read_mot(path), str(path or name), str(gt))
        for name, gt, path in matched
    ]


def _file_of(path: Path, sequence: str) -> Path:
    """The file of a sequence where a folder of results is given, as the other programs name it; else `path`.

    Raises:
        relaytrack.pipeline.errors.InputError: it is a folder without that file; what it has in place of it is told.
    """
    from relaytrack.pipeline.errors import InputError

    if not path.is_dir():
        return path
    file = _result_in(path, sequence)
    if file is None:
        raise InputError(f"{path}: a folder without {sequence}.txt{_instead(path)}")
    return file


def _result_in(folder: Path, sequence: str) -> Path | None:
    """A sequence's file in a folder of results, or in `data` within it, as TrackEval has them."""
    return next((file for home in (folder, folder / "data") if (file := home / f"{sequence}.txt").is_file()), None)


def _instead(folder: Path) -> str:
    """What a folder of results has in place of the file that is wanted, for a message."""
    found = sorted(file.name for file in folder.glob("*.txt"))
    more = ", ..." if len(found) > 2 else ""
    return f"; it has {', '.join(found[:2])}{more}: rename it, or name the file with --result" if found else ""


def _without_result(names: Sequence[str], where: str, allowed: bool) -> None:
    """Refuse sequences that have no result, or say that they count as empty."""
    from relaytrack.pipeline.errors import InputError

    if not names:
        return
    if not allowed:
        raise InputError(f"{where}: no result of {', '.join(names)} (--allow-missing counts it as empty)")
    print(f"relaytrack: warning: {where}: no result of {', '.join(names)}, counted as empty", file=sys.stderr)


def _split(word: str) -> tuple[str | None, Path]:
    """Parse NAME=PATH; a word that names an existing path is a path, whatever it contains."""
    name, equals, path = word.partition("=")
    if equals and name and "/" not in name and not os.path.exists(word):
        return name, file_path(path)
    return None, file_path(word)


def _sequences_in(folder: Path) -> list[Path]:
    return sorted(file.parent.parent for file in folder.glob("*/gt/gt.txt")) if folder.is_dir() else []


def _expand(
    folder: Path, results: Sequence[tuple[str | None, Path | None]]
) -> tuple[list[tuple[str, Path, Path | None]], list[str]]:
    """Pair the sequence folders in `folder` with the files SEQUENCE.txt in a folder of results.

    Returns:
        (name, sequence folder, result or None) of every sequence, and the names of those without result.
    """
    from relaytrack.pipeline.errors import InputError

    home = results[0][1]
    if len(results) != 1 or home is None or not home.is_dir():
        raise InputError(f"{folder} holds sequence folders: --result must be one folder of SEQUENCE.txt files")
    pairs = [(path.name, path, _result_in(home, path.name)) for path in _sequences_in(folder)]
    missing = [name for name, _, file in pairs if file is None]
    if len(missing) == len(pairs):
        raise InputError(f"{home}: no result named after a sequence of {folder}{_instead(home)}")
    return pairs, missing
