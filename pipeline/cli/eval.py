"""`relaytrack eval`: measure results against ground truth, per camera or with one identity space over cameras."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trackers.evaluation import Evaluation, GroundTruth, MotRows, Scores

HELP = "measure tracks against ground truth: HOTA, MOTA, IDF1, also over several cameras at once"
COLUMNS = ("HOTA", "DetA", "AssA", "LocA", "MOTA", "IDF1", "IDP", "IDR", "IDSW", "Frag", "FP", "FN", "IDs", "GT_IDs")


@dataclass(frozen=True, slots=True)
class Pair:
    """One result and the ground truth it is measured on; `origin` is what messages call the result."""

    name: str
    truth: GroundTruth
    rows: MotRows
    origin: str


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
        help="the pairs are cameras sharing their ids: one identity space over (camera, frame)",
    )
    parser.add_argument(
        "--benchmark",
        choices=("MOT15", "MOT16", "MOT17", "MOT20"),
        help="whose preprocessing to use; default: by the sequence's name and columns",
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="score a result that lacks most of its frames all the same"
    )
    parser.add_argument("--json", action="store_true", help="print JSON; ratios in percent, as in the table")
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="write a picture of the identities' time-lines per sequence"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print; 0, or an error of `trackers` or `pipeline` for the caller."""
    from trackers.evaluation import combine, evaluate_global, evaluate_in_detail
    from trackers.evaluation.coverage import check_coverage

    pairs = load_pairs(args.gt, args.result, args.benchmark)
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


def load_pairs(gts: Sequence[str], results: Sequence[str], benchmark: Any = None) -> list[Pair]:
    """Read and pair ground truths with results.

    Raises:
        pipeline.errors.InputError: they do not pair up, or two carry one name.
        trackers.TrackerError: a file is absent or malformed.
    """
    from pipeline.errors import InputError
    from trackers.evaluation import read_ground_truth, read_mot

    named_gt, named_results = [_split(word) for word in gts], [_split(word) for word in results]
    if len(named_gt) == 1 and not (named_gt[0][1] / "gt").is_dir() and _sequences_in(named_gt[0][1]):
        named_gt, named_results = _expand(named_gt[0][1], named_results)
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
        lonely = set(by_name) ^ set(wanted)
        if lonely:
            raise InputError(f"{sorted(map(str, lonely))[0]!r} is not in both --gt and --result")
        matched = [(str(name), path, by_name[name]) for name, path in named_gt]
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
    return [Pair(name, truths[gt], read_mot(path), str(path)) for name, gt, path in matched]


def save_plots(folder: Path, pairs: Sequence[Pair], found: dict[str, Any], whole: Any) -> None:
    """Write one picture per sequence, and one over all cameras of a global evaluation."""
    from pipeline.errors import OutputError
    from trackers.evaluation.timelines import save_timelines

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
    from trackers.errors import InputError

    try:
        return list(check(pair.truth, pair.rows, pair.origin))
    except InputError as error:
        raise InputError(f"{error} (--allow-missing scores it all the same)") from None


def _split(word: str) -> tuple[str | None, Path]:
    """Take NAME=PATH apart; a word that is an existing path is one, whatever it contains."""
    name, equals, path = word.partition("=")
    if equals and name and "/" not in name and not Path(word).exists():
        return name, Path(path)
    return None, Path(word)


def _sequences_in(folder: Path) -> list[Path]:
    return sorted(file.parent.parent for file in folder.glob("*/gt/gt.txt")) if folder.is_dir() else []


def _expand(
    folder: Path, results: Sequence[tuple[str | None, Path]]
) -> tuple[list[tuple[str | None, Path]], list[tuple[str | None, Path]]]:
    """Pair the sequence folders in `folder` with the files SEQUENCE.txt in a folder of results."""
    from pipeline.errors import InputError

    if len(results) != 1 or not results[0][1].is_dir():
        raise InputError(f"{folder} holds sequence folders: --result must be one folder of SEQUENCE.txt files")
    present = [path for path in _sequences_in(folder) if (results[0][1] / f"{path.name}.txt").is_file()]
    if not present:
        raise InputError(f"{results[0][1]}: no result named after a sequence of {folder}")
    return (
        [(path.name, path) for path in present],
        [(path.name, results[0][1] / f"{path.name}.txt") for path in present],
    )
