"""`relaytrack bench tracker`: the tracker beside others, on cached detections and on a synthetic crowd."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaytrack.pipeline.cli.bench_news import say
from relaytrack.reid.paths import file_path
from relaytrack.trackers.textfile import read_text

if TYPE_CHECKING:
    from relaytrack.pipeline.benchmarks.accuracy import Cell
    from relaytrack.pipeline.benchmarks.contenders import Contender
    from relaytrack.pipeline.benchmarks.speed import Timing

HELP = "measure the tracker and installed peers: HOTA, IDF1, switches, milliseconds"
REFERENCE = "u_botsort+reid"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack bench tracker`."""
    parser.add_argument(
        "--caches",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help="folder of SEQUENCE_DETECTOR.npz; a second one with other embeddings (NAME says whose) adds to the "
        "table of what appearance buys",
    )
    parser.add_argument(
        "--gt", type=file_path, metavar="DIR", help="folder of sequence folders (gt/gt.txt, seqinfo.ini)"
    )
    parser.add_argument(
        "--quote", type=file_path, metavar="RESULTS.md", help="add the rows of an earlier report's tables, flagged"
    )
    parser.add_argument(
        "--peers", nargs="*", default=None, metavar="NAME", help="only these of the installed peers (no name: none)"
    )
    parser.add_argument("--people", nargs="*", type=int, default=[20, 50, 100, 200], help="sizes of the crowd")
    parser.add_argument("--repeats", type=int, default=3, help="interleaved passes over each crowd (3)")
    parser.add_argument(
        "--appearance", action="store_true", help="only the table of what appearance buys (needs --caches and --gt)"
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME:KEY=VALUE[,...]",
        help="our tracker with other settings as a further row (for ablations); may repeat",
    )
    parser.add_argument(
        "--jitter",
        type=int,
        metavar="N",
        help="only compare the defaults with N sets of settings within 15 %% of them (needs --caches and --gt)",
    )
    parser.add_argument(
        "--plots", type=file_path, metavar="DIR", help="write identity time-lines of our default tracker"
    )
    parser.add_argument("--json", action="store_true", help="print JSON; ratios in percent")


def run(args: argparse.Namespace) -> int:
    """Measure in a process of one thread, print tables or JSON."""
    from relaytrack.pipeline.errors import InputError
    from relaytrack.pipeline.results.single_file import check_folder

    if bool(args.caches) != bool(args.gt):
        raise InputError("give --caches and --gt together")
    if (args.appearance or args.plots or args.jitter) and not args.caches:
        raise InputError("--appearance, --jitter and --plots need --caches and --gt")
    if args.repeats < 1 or any(size < 1 for size in args.people):
        raise InputError("--repeats and --people must be at least 1")
    if args.plots:
        check_folder(args.plots)
    if any(os.environ.get(key) != value for key, value in _ONE_THREAD.items()):
        return _in_one_thread(args.words)
    return measure(args)


def measure(args: argparse.Namespace) -> int:
    """Do what the options ask for in this process."""
    from relaytrack.pipeline.benchmarks import tables
    from relaytrack.pipeline.benchmarks.appearance import compare_embeddings, plot_cases
    from relaytrack.pipeline.benchmarks.contenders import own_contenders, own_variant

    folders = [_named(word, index) for index, word in enumerate(args.caches)]
    report: dict[str, Any] = {"unit": "percent", "threads": 1}
    texts: list[str] = []
    quoted = tables.quoted_rows(_read(args.quote)) if args.quote else {}
    if args.jitter:
        return _jitter(folders[0][1], args.gt, args.jitter, args.json)
    variants = [own_variant(*_variant(word)) for word in args.variant]
    contenders = [*own_contenders(), *variants, *_peers(args.peers)] if not args.appearance else []
    if folders and not args.appearance:
        cells = _accuracy(folders[0][1], args.gt, contenders)
        rows = tables.rows_of(cells)
        for detector in rows:
            rows[detector] += quoted.get(detector, [])
            texts += [f"### {detector} (HOTA / IDF1 / switches)", tables.accuracy_table(rows[detector])]
        texts += ["### means over all real detections (gt left out)", tables.summary_table(rows)]
        report["accuracy"] = [_cell(cell) for cell in cells]
    if folders and (args.appearance or len(folders) > 1):
        found = compare_embeddings(folders, args.gt, say)
        texts += ["### what appearance buys (HOTA / IDF1 / switches / ms)", tables.appearance_table(found)]
        report["appearance"] = {name: [_cell(cell) for cell in cells] for name, cells in found.items()}
    if args.plots:
        plot_cases(folders[0][1], args.gt, args.plots, say)
    if args.people and not args.appearance:
        timings = _speed([one for one in contenders if not (one.ours and one.predicts)], args.people, args.repeats)
        texts += ["### milliseconds per update on a synthetic crowd (medians)", tables.speed_table(timings, REFERENCE)]
        report["speed"] = _timings(timings)
    print(json.dumps(report, indent=2) if args.json else "\n\n".join(texts))
    return 0


def _in_one_thread(words: Sequence[str]) -> int:
    """Run this very command again with one thread per library, which must be set before they load."""
    command = [sys.executable, "-m", "relaytrack.pipeline.cli.main", "bench", *words]
    return subprocess.run(command, env=os.environ | _ONE_THREAD, check=False).returncode


def _peers(names: Sequence[str] | None) -> list[Contender]:
    """The installed peers that were asked for."""
    from relaytrack.pipeline.benchmarks.peers import installed_peers
    from relaytrack.pipeline.errors import InputError

    found = installed_peers()
    if names is None:
        return found
    known = [one.name for one in found]
    for name in names:
        if name not in known:
            raise InputError(f"--peers: {name!r} is not installed; here are: {', '.join(known) or 'none'}")
    return [one for one in found if one.name in names]


def _accuracy(caches: Path, truths: Path, contenders: Sequence[Contender]) -> list[Cell]:
    from relaytrack.pipeline.benchmarks.accuracy import find_cases, measure

    cells: list[Cell] = []
    for case in find_cases(caches, truths):
        say(f"{case.sequence} {case.detector}: {len(contenders)} trackers")
        cells += measure(case, contenders)
    return cells


def _speed(contenders: Sequence[Contender], sizes: Sequence[int], repeats: int) -> list[Timing]:
    from relaytrack.pipeline.benchmarks.speed import time_trackers

    timings: list[Timing] = []
    for size in sizes:
        say(f"{size} people: {len(contenders)} trackers, {repeats} passes")
        timings += time_trackers(contenders, size, repeats)
    return timings


def _jitter(caches: Path, truths: Path, sets: int, as_json: bool) -> int:
    """Measure the neighbourhood of the default settings."""
    from relaytrack.pipeline.benchmarks.accuracy import find_cases
    from relaytrack.pipeline.benchmarks.neighbourhood import explore, neighbourhood_table

    found = explore(find_cases(caches, truths), sets, say)
    plain = {"unit": "percent", "columns": ["HOTA", "IDF1"], "cells": list(found.cases)}
    values = {"sets_detected": found.plain.tolist(), "sets_with_coasting": found.coasting.tolist()}
    print(json.dumps(plain | values, indent=2) if as_json else neighbourhood_table(found))
    return 0


def _variant(word: str) -> tuple[str, dict[str, Any]]:
    """Parse NAME:KEY=VALUE,KEY=VALUE."""
    from relaytrack.pipeline.config.loading import parse_assignment
    from relaytrack.pipeline.errors import InputError

    name, colon, settings = word.partition(":")
    if not colon or not name or not settings:
        raise InputError(f"--variant {word!r}: write NAME:KEY=VALUE[,KEY=VALUE]")
    return name, dict(parse_assignment(part) for part in settings.split(","))


def _cell(cell: Cell) -> dict[str, Any]:
    where = {"tracker": cell.tracker, "sequence": cell.sequence, "detector": cell.detector}
    return where | cell.scores.as_dict() | {"ms": cell.milliseconds}


def _timings(timings: Sequence[Timing]) -> list[dict[str, Any]]:
    from relaytrack.pipeline.benchmarks.speed import ratio

    reference = {one.people: one for one in timings if one.tracker == REFERENCE}
    return [
        {
            "tracker": one.tracker,
            "people": one.people,
            "ms": one.milliseconds,
            "passes_ms": list(one.passes),
            "ids": one.ids,
            f"times_{REFERENCE}": ratio(one, reference[one.people]) if one.people in reference else None,
        }
        for one in timings
    ]


def _named(word: str, index: int) -> tuple[str, Path]:
    """Parse NAME=DIR; the first folder's embeddings are called "cached" unless they have a name."""
    name, equals, path = word.partition("=")
    if equals and "/" not in name and not os.path.exists(word):
        return name, file_path(path)
    return ("cached" if index == 0 else file_path(word).name), file_path(word)


def _read(path: Path) -> str:
    from relaytrack.pipeline.errors import InputError

    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: cannot be read as text") from None
