"""`relaytrack eval`: measure results against ground truth, per camera or with one identity space over cameras."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaytrack.pipeline.cli.eval_pairs import Pair, load_pairs
from relaytrack.reid.paths import file_path

if TYPE_CHECKING:
    from relaytrack.trackers.evaluation import Evaluation, Scores

HELP = "measure tracks against ground truth: HOTA, MOTA, IDF1, also over several cameras at once"
COLUMNS = ("HOTA", "DetA", "AssA", "LocA", "MOTA", "IDF1", "IDP", "IDR", "IDSW", "Frag", "FP", "FN", "IDs", "GT_IDs")


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
        help="the benchmark whose preprocessing is used; default: by the sequence's name and columns",
    )
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="score results that lack most of their frames, too, and count a sequence without result as empty",
    )
    parser.add_argument("--json", action="store_true", help="print JSON; ratios in percent, as in the table")
    parser.add_argument(
        "--plots", type=file_path, metavar="DIR", help="write a picture of the identities' time-lines per sequence"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print; 0, or an error of `trackers` or `pipeline` for the caller."""
    from relaytrack.pipeline.results.single_file import check_folder
    from relaytrack.trackers.evaluation import combine, evaluate_global, evaluate_in_detail
    from relaytrack.trackers.evaluation.coverage import check_coverage

    if args.plots:
        check_folder(args.plots)
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
