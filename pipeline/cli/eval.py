"""`relaytrack eval`: measure results against ground truth, per camera or with one identity space over cameras."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaytrack.reid.paths import file_path

if TYPE_CHECKING:
    from relaytrack.trackers.evaluation import Evaluation, GroundTruth, MotRows, Scores

HELP = "measure tracks against ground truth: HOTA, MOTA, IDF1, also over several cameras at once"
COLUMNS = ("HOTA", "DetA", "AssA", "LocA", "MOTA", "IDF1", "IDP", "IDR", "IDSW", "Frag", "FP", "FN", "IDs", "GT_IDs")


@dataclass(frozen=True, slots=True)
class Pair:
    """One result and the ground truth it is measured on; messages call them by `origin` and `gt`."""

    name: str
    truth: GroundTruth
    rows: MotRows
    origin: str
    gt: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--gt",
        nargs="+",
        action="extend",
        required=True,
        metavar="[NAME=]GT",
        help="sequence folders (gt/gt.txt, seqinfo.ini), ground truth files, or one folder of sequence folders",
    )
    parser.add_argument(
        "--result",
        nargs="+",
        action="extend",
        required=True,
        metavar="[NAME=]RES",
        help="MOT result files in the order of --gt, or by the same NAMEs; several for one --gt are compared; "
        "a folder holds one SEQUENCE.txt per sequence",
    )
    parser.add_argument(
        "--global",
        dest="across",
        action="store_true",
        help="the pairs are cameras with common identities, scored together",
    )
    parser.add_argument(
        "--benchmark",
        choices=("MOT15", "MOT16", "MOT17", "MOT20"),
        help="whose preprocessing to use; default: by the sequence's name and columns",
    )
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="score a result that lacks most of its frames all the same, and count a sequence without result as empty",
    )
    parser.add_argument("--json", action="store_true", help="print JSON; ratios in percent, as in the table")
    parser.add_argument(
        "--plots", type=file_path, metavar="DIR", help="write a picture of the identities' time-lines per sequence"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print; 0, or an error of `trackers` or `pipeline` for the caller."""
    from relaytrack.trackers.evaluation import combine, evaluate_global, evaluate_in_detail
    from relaytrack.trackers.evaluation.coverage import check_coverage

    pairs = load_pairs(args.gt, args.result, args.benchmark, allow_missing=args.allow_missing)
    for warning in check_truths(pairs, across=args.across):
        print(f"relaytrack: warning: {warning}", file=sys.stderr)
    found: dict[str, Evaluation] = {}
    if args.across:
        whole, found = evaluate_global({pair.name: (pair.truth, pair.rows) for pair in pairs})
        total: Scores | None = whole.scores
    else:
        for pair in pairs:
            found[pair.name] = evaluate_in_detail(pair.truth, pair.rows, origin=pair.origin)
        compared = len({id(pair.truth) for pair in pairs}) < len(pairs)
        total = None if compared else combine([one.scores for one in found.values()])
    for pair in pairs:
        if not args.allow_missing:
            for warning in _hinted(check_coverage, pair):
                print(f"relaytrack: warning: {warning}", file=sys.stderr)
    for pair in pairs:
        if len(pair.rows) and found[pair.name].scores.as_dict()["DetA"] == 0:
            print(
                f"relaytrack: warning: {pair.origin}: no box of it overlaps an annotated one; boxes are x, y, width, "
                "height in pixels",
                file=sys.stderr,
            )
    if args.plots:
        save_plots(args.plots, pairs, found, whole if args.across else None)
    key = "global" if args.across else "combined"
    table = {name: one.scores.as_dict() for name, one in found.items()}
    if args.json:
        report: dict[str, Any] = {"unit": "percent", "cameras" if args.across else "sequences": table}
        if total is not None:
            report[key] = total.as_dict()
        print(json.dumps(report, indent=2))
    else:
        if total is not None and (args.across or len(table) > 1):
            table[key.upper()] = total.as_dict()
        print(format_table(table))
    return 0


def check_truths(pairs: Sequence[Pair], *, across: bool = False) -> list[str]:
    """Refuse ground truth of which nothing would be scored; otherwise what is worth a warning, in one line each.

    Args:
        pairs: what is measured.
        across: the pairs are cameras of one site: one of them may have seen nobody.

    Raises:
        relaytrack.pipeline.errors.InputError: a ground truth (with `across`: every one) has no box to score; says why.
    """
    from relaytrack.pipeline.errors import InputError
    from relaytrack.trackers.evaluation.coverage import check_flags, why_nothing_scored

    by_file = {pair.gt: pair.truth for pair in pairs}
    empty = {gt: reason for gt, truth in by_file.items() if (reason := why_nothing_scored(truth)) is not None}
    said = [f"{gt}: nothing to score: {reason}" for gt, reason in empty.items()]
    if said and (not across or len(empty) == len(by_file)):
        raise InputError(said[0])
    return said + [line for gt, truth in by_file.items() if gt not in empty for line in check_flags(truth, gt)]


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
    nothing = rows_from_arrays([], [], [])
    return [
        Pair(name, truths[gt], nothing if path is None else read_mot(path), str(path or name), str(gt))
        for name, gt, path in matched
    ]


def _without_result(names: Sequence[str], where: str, allowed: bool) -> None:
    """Refuse sequences that have no result, or say that they count as empty."""
    from relaytrack.pipeline.errors import InputError

    if not names:
        return
    if not allowed:
        raise InputError(f"{where}: no result of {', '.join(names)} (--allow-missing counts it as empty)")
    print(f"relaytrack: warning: {where}: no result of {', '.join(names)}, counted as empty", file=sys.stderr)


def save_plots(folder: Path, pairs: Sequence[Pair], found: dict[str, Any], whole: Any) -> None:
    """Write one picture per sequence, and one over all cameras of a global evaluation."""
    from relaytrack.pipeline.errors import OutputError
    from relaytrack.trackers.evaluation.timelines import save_timelines

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from None
    for pair in pairs:
        file = folder / f"timeline_{re.sub(r'[^A-Za-z0-9._-]+', '_', pair.name)}.png"
        save_timelines(file, found[pair.name], title=pair.name, frame_rate=pair.truth.frame_rate)
        print(f"relaytrack: wrote {file}", file=sys.stderr)
    if whole is not None:
        file = folder / "timeline_global.png"
        save_timelines(file, whole, title="all cameras", cameras=[pair.name for pair in pairs])
        print(f"relaytrack: wrote {file}", file=sys.stderr)


def format_table(rows: dict[str, dict[str, float | int]], columns: Sequence[str] = COLUMNS) -> str:
    """Lay scores out as text: one line per name, ratios in percent with one decimal."""
    width = max([len("sequence"), *map(len, rows)])
    lines = ["sequence".ljust(width) + "".join(f"{column:>8}" for column in columns)]
    for name, scores in rows.items():
        cells = (
            f"{scores[column]:>8.1f}" if isinstance(scores[column], float) else f"{scores[column]:>8}"
            for column in columns
        )
        lines.append(name.ljust(width) + "".join(cells))
    return "\n".join(lines)


def _hinted(check: Any, pair: Pair) -> list[str]:
    from relaytrack.trackers.errors import TrackerInputError

    try:
        return list(check(pair.truth, pair.rows, pair.origin))
    except TrackerInputError as error:
        raise TrackerInputError(f"{error} (--allow-missing scores it all the same)") from None


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
    files = {path: home / f"{path.name}.txt" for path in _sequences_in(folder)}
    pairs = [(path.name, path, file if file.is_file() else None) for path, file in files.items()]
    missing = [name for name, _, file in pairs if file is None]
    if len(missing) == len(pairs):
        raise InputError(f"{home}: no result named after a sequence of {folder}")
    return pairs, missing
