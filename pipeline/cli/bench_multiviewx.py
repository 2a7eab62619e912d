"""`relaytrack bench multiviewx`: global identities over six calibrated views, from annotated and from own boxes."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

HELP = "run MultiviewX (six calibrated overlapping views) and score its identities and its feet on the floor"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `relaytrack bench multiviewx`."""
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the unpacked MultiviewX")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where configurations, truth and runs go"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override any key, in both runs"
    )
    parser.add_argument("--boxes", choices=("annotated", "detected", "both"), default="both", help="which runs (both)")
    parser.add_argument("--video", action="store_true", help="write videos too")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Write the configurations, run them, score the six views together, print."""
    import numpy as np

    from pipeline.benchmarks.multiviewx import load_scene
    from pipeline.errors import OutputError

    scene = load_scene(args.root)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        detected, annotated = scene.write(args.out)
    except OSError as error:
        raise OutputError(f"--out: {args.out}: {os.strerror(error.errno or 0)}") from None
    median, p95 = np.percentile(scene.feet_errors(), [50, 95]).tolist()
    figures: dict[str, Any] = {"feet_metres": {"median": round(median, 3), "p95": round(p95, 3)}}
    for kind, config in (("annotated", annotated), ("detected", detected)):
        if args.boxes in (kind, "both"):
            figures[kind] = _scores(config, args, scene.cameras)
    print(json.dumps(figures, indent=2) if args.json else _table(figures))
    return 0


def _scores(config: Path, args: argparse.Namespace, cameras: list[str]) -> dict[str, float | int]:
    """Run a configuration into the folder of its name, and score its final identities over all views."""
    from pipeline.configfile import load_config, parse_assignment
    from pipeline.engine import Pipeline
    from trackers.evaluation import evaluate_global

    out = config.with_suffix("")
    overrides = {"output.video": args.video, **dict(parse_assignment(text) for text in args.set)}
    overrides |= {"output.dir": str(out), "output.overwrite": True}
    Pipeline(load_config(config, overrides=overrides)).run()
    pairs = {name: (args.out / "truth" / f"{name}.txt", out / "global" / f"{name}.txt") for name in cameras}
    whole, _ = evaluate_global(pairs)
    scores = whole.scores.as_dict()
    counts = whole.scores.clear_counts
    recall = 100.0 * counts.tp / max(1, counts.tp + counts.fn)
    return {"IDF1": scores["IDF1"], "HOTA": scores["HOTA"], "recall": recall, "IDs": scores["IDs"]}


def _table(figures: dict[str, Any]) -> str:
    feet = figures["feet_metres"]
    lines = [f"feet on the floor: median error {feet['median']:.3f} m, 95th percentile {feet['p95']:.3f} m"]
    lines.append(f"{'boxes':12}{'IDF1':>8}{'HOTA':>8}{'recall':>8}{'IDs':>6}")
    for kind in ("annotated", "detected"):
        if kind in figures:
            row = figures[kind]
            lines.append(f"{kind:12}{row['IDF1']:8.1f}{row['HOTA']:8.1f}{row['recall']:8.1f}{row['IDs']:6d}")
    return "\n".join(lines)
