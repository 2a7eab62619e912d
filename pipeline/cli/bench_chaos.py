"""`relaytrack bench chaos`: lost cameras, `kill -9` and full disks, by chance but repeatable, counted."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from relaytrack.pipeline.cli.bench_news import say_when
from relaytrack.reid.paths import file_path, plain_path

HELP = (
    "chaos: cameras that are lost, runs that are killed, disks that are full; counts what was not whole or not in time"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack bench chaos`."""
    parser.add_argument("--faults", type=int, default=0, metavar="N", help="losses of cameras (of 6 kinds)")
    parser.add_argument("--cameras", type=int, default=4, metavar="N", help="cameras that are lost side by side (4)")
    parser.add_argument(
        "--rtsp", type=file_path, metavar="FILE", help="play this clip over RTSP (GStreamer); default: HTTP, built in"
    )
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="runs that are killed, each goes on after it")
    parser.add_argument("--disks", type=int, default=0, metavar="N", help="runs whose disk is full or read-only")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the random kinds and moments (2026)")
    parser.add_argument("--out", type=plain_path, required=True, metavar="DIR", help="a new folder for files")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for, print figures; 1 where anything failed."""
    from relaytrack.pipeline.benchmarks.chaos.connections import lose_cameras
    from relaytrack.pipeline.benchmarks.chaos.disks import starve_runs
    from relaytrack.pipeline.benchmarks.chaos.kills import kill_runs
    from relaytrack.pipeline.benchmarks.ending import ended_by_signals
    from relaytrack.pipeline.errors import InputError, OutputError
    from relaytrack.pipeline.results.folder import make_folder, writing

    if min(args.faults, args.kills, args.disks) < 0 or args.cameras < 1:
        raise InputError("--faults, --kills and --disks: at least 0; --cameras: at least 1")
    if not args.faults + args.kills + args.disks:
        raise InputError("give --faults, --kills or --disks with a number")
    out = Path(args.out)
    with writing(out, "create the folder"):
        make_folder(out)
        if any(out.iterdir()):
            raise OutputError(f"{out} is not empty: choose another folder")
    logging.getLogger("relaytrack").setLevel(logging.CRITICAL)  # thousands of losses and full disks are meant here
    figures: dict[str, Any] = {"seed": args.seed}
    with ended_by_signals(say_when) as ending:
        if args.kills:  # before any thread runs: the runs are forks of this process
            figures["kills"] = kill_runs(args.kills, args.seed, out / "kills", say_when, ending)
        if args.disks and not ending.told:
            figures["disks"] = starve_runs(args.disks, args.seed, out / "disks", say_when, ending)
        if args.faults and not ending.told:
            figures["connections"] = lose_cameras(
                args.faults, args.seed, say_when, cameras=args.cameras, clip=args.rtsp, work=out, ending=ending
            )
        figures["ended_early"] = ending.told
    print(json.dumps(figures, indent=2) if args.json else _table(figures))
    return int(any(one["failures"] for one in figures.values() if isinstance(one, dict)))


def _table(figures: dict[str, Any]) -> str:
    lines = ["ended early: what follows was done until then"] if figures.get("ended_early") else []
    for name, one in figures.items():
        if isinstance(one, dict):
            told = [f"{_plain(key)} {_plain(value)}" for key, value in one.items() if key != "failures"]
            lines.append(f"{name}: {', '.join(told)}")
            lines.append(f"  failures: {len(one['failures'])}")
            lines += [f"  {text}" for text in one["failures"][:50]]
    return "\n".join(lines)


def _plain(value: object) -> str:
    """A word or a figure for the screen; counts by kind as `(reset 3, freeze 2)`."""
    if isinstance(value, dict):
        return f"({', '.join(f'{key} {count}' for key, count in value.items())})"
    return str(value).replace("_", " ")
