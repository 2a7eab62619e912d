"""`relaytrack bench multiviewx`: global identities over six calibrated views, from annotated and from own boxes."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from relaytrack.reid.paths import file_path

HELP = "run MultiviewX (six calibrated overlapping views) and score identities and people's places on the floor"

KINDS = ("annotated", "detected")
COLUMNS = ("IDF1", "HOTA", "recall", "IDs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `relaytrack bench multiviewx`."""
    parser.add_argument("--root", type=file_path, required=True, metavar="DIR", help="the unpacked MultiviewX")
    parser.add_argument(
        "--out", type=file_path, required=True, metavar="DIR", help="where configurations, truth and runs go"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override any key, in both runs"
    )
    parser.add_argument("--boxes", choices=(*KINDS, "both"), default="both", help="which runs (both)")
    parser.add_argument("--video", action="store_true", help="write videos too")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Write the configurations, run them, score the six views together, print."""
    import numpy as np

    from relaytrack.pipeline.benchmarks.multiviewx import load_scene
    from relaytrack.pipeline.errors import OutputError
    from relaytrack.pipeline.results.single_file import check_folder

    check_folder(args.out)
    scene = load_scene(args.root)
    try:
        detected, annotated = scene.write(args.out)
    except OSError as error:
        raise OutputError(f"--out: {args.out}: {os.strerror(error.errno or 0)}") from None
    median, p95 = np.percentile(scene.feet_errors(), [50, 95]).tolist()
    figures: dict[str, Any] = {"feet_metres": {"median": round(median, 3), "p95": round(p95, 3)}}
    for kind, config in zip(KINDS, (annotated, detected), strict=True):
        if args.boxes in (kind, "both"):
            figures[kind] = _scores(config, args, scene.cameras)
    print(json.dumps(figures, indent=2) if args.json else _table(figures))
    return 0


def _scores(config: Path, args: argparse.Namespace, cameras: list[str]) -> dict[str, float | int]:
    """Run a configuration into the folder of its name, and score its final identities over all views."""
    from relaytrack.pipeline.config.loading import load_config, parse_assignment
    from relaytrack.pipeline.engine import Pipeline
    from relaytrack.trackers.evaluation import evaluate_global

    out = config.with_suffix("")
    overrides = {"output.video": args.video, **dict(parse_assignment(text) for text in args.set)}
    overrides |= {"output.dir": str(out), "output.overwrite": True}
    Pipeline(load_config(config, overrides=overrides)).run()
    pairs = {name: (args.out / "truth" / f"{name}.txt", out / "global" / f"{name}.txt") for name in cameras}
    whole, _ = evaluate_global(pairs)
    scores = whole.scores.as_dict()
    scores["recall"] = 100.0 * scores["TP"] / max(1, scores["TP"] + scores["FN"])
    return {name: scores[name] for name in COLUMNS}


def _table(figures: dict[str, Any]) -> str:
    from relaytrack.pipeline.cli.eval import format_table

    feet = figures["feet_metres"]
    runs = {kind: figures[kind] for kind in KINDS if kind in figures}
    return (
        f"feet on the floor: median error {feet['median']:.3f} m, 95th percentile {feet['p95']:.3f} m\n"
        + format_table(runs, COLUMNS)
    )
