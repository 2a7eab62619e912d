"""`relaytrack bench`: milliseconds per stage, frames per second, and overhead over the networks alone."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

HELP = "time the pipeline: stages, frames per second, overhead, memory, age of live frames"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("config", nargs="?", metavar="CONFIG.yaml", help="default: the two sample clips")
    parser.add_argument("--source", action="append", default=[], metavar="URL", help="a video file; may repeat")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override any key")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="interleaved repetitions (3)")
    parser.add_argument("--memory", action="store_true", help="resident memory after 1,500 and 6,000 frames instead")
    parser.add_argument("--age", action="store_true", help="age of live frames when their ids come out instead")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    import torch

    from relaytrack.pipeline.benchmarks import stages
    from relaytrack.pipeline.config.loading import load_config, parse_assignment
    from relaytrack.pipeline.errors import ConfigError

    if args.repeats < 1:
        raise ConfigError("--repeats: at least 1")
    overrides = dict(parse_assignment(text) for text in args.set)
    demo = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
    if args.source:
        config = load_config(data={"cameras": args.source}, overrides=overrides)
    else:
        config = load_config(args.config or demo, overrides=overrides)
    figures: dict[str, Any]
    if args.memory:
        figures = {"resident_mib": stages.measure_memory(config)}
    elif args.age:
        figures = {"age_seconds": stages.measure_age(config)}
    else:
        figures = stages.measure(config, repeats=args.repeats)
    figures["threads"] = {"torch": torch.get_num_threads(), "config": config.run.threads}
    print(json.dumps(figures, indent=2) if args.json else _table(figures))
    return 0


def _table(figures: dict[str, Any]) -> str:
    if "with_video" not in figures:
        return "\n".join(f"{name}: {value}" for name, value in figures.items())
    lines = [f"networks alone {figures['networks_alone_seconds']} s for {sum(figures['frames'].values())} frames"]
    for name in ("without_video", "with_video"):
        row = figures[name]
        lines.append(
            f"{name.replace('_', ' '):14} {row['seconds']:8.2f} s {row['frames_per_second']:7.1f} fps"
            f"  overhead {row['overhead']:.3f}"
        )
        lines.append("  ms per frame: " + ", ".join(f"{k} {v:.2f}" for k, v in row["ms_per_frame"].items()))
    lines.append(
        f"medians of {figures['repeats']} interleaved repeats; threads {figures['threads']}, "
        f"inference streams {figures['inference_streams']}"
    )
    return "\n".join(lines)
