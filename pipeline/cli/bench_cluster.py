"""`relaytrack bench cluster`: what one identity service bears, bytes on the network, how many machines are needed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from relaytrack.reid.paths import file_path

if TYPE_CHECKING:
    from rich.console import Console

HELP = "measure how many cameras one identity service bears, the bytes on the network and the machines needed"
_SIZES = (25, 50, 100, 150)
_ASKED = (10, 60, 100, 1000, 10_000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--cameras", type=int, nargs="+", default=list(_SIZES), metavar="N", help="synthetic cameras")
    parser.add_argument("--people", type=int, default=20, help="people in each picture (20)")
    parser.add_argument("--rate", type=float, default=5.0, help="batches per second of each camera (5)")
    parser.add_argument("--seconds", type=float, default=8.0, help="seconds of each measurement (8)")
    parser.add_argument("--limit", type=float, default=100.0, help="milliseconds that the 99th percentile may take")
    parser.add_argument(
        "--video", type=file_path, metavar="FILE", help="a camera's recording: measure what a frame costs"
    )
    parser.add_argument("--cores", type=int, default=8, help="CPU cores of each machine (8)")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from rich.console import Console
    from rich.table import Table

    from relaytrack.pipeline.benchmarks.identity_load import identity_load, largest
    from relaytrack.pipeline.config.loading import load_config
    from relaytrack.pipeline.errors import ConfigError
    from relaytrack.pipeline.preflight import preflight

    if min(args.cameras) < 1 or args.people < 1 or not args.rate > 0 or not args.seconds >= 2 or args.cores < 1:
        raise ConfigError("--cameras, --people, --cores from 1, --rate above 0, --seconds from 2")
    if args.video is not None:
        preflight(load_config(data={"cameras": [str(args.video)]}), output=False)  # not after the measuring
    console = Console()
    table = Table(
        "cameras", "batches/s offered", "decided", "p50 ms", "p99 ms", "CPU", "work", "bytes/person", "kept up"
    )
    loads = []
    for cameras in sorted(args.cameras):
        load = identity_load(cameras, people=args.people, rate=args.rate, seconds=args.seconds)
        loads.append(load)
        figures = (load.offered, load.batches, load.p50, load.p99, load.cpu, load.work, load.size)
        table.add_row(str(cameras), *(f"{value:.2f}" for value in figures), "yes" if load.kept_up else "no")
        if not load.kept_up:
            break
    console.print(table)
    bearable = largest(loads, args.limit)
    console.print("CPU: of the whole process; work: of the decisions alone; both in seconds per second")
    console.print(f"one identity service bears {bearable} cameras with {args.people} people each at {args.rate:g}/s")
    if args.video is not None:
        _plan(console, args, max(bearable, 1), loads[0].size)
    return 0


def _plan(console: Console, args: argparse.Namespace, bearable: int, size: float) -> None:
    """Print how many machines are needed."""
    from rich.table import Table

    from relaytrack.pipeline.benchmarks.sizing import SHARE, frame_cost, needs

    frame, people = frame_cost(args.video)
    console.print(f"a frame of {args.video.name} costs {1e3 * frame:.1f} ms of CPU time ({people:.1f} people in it)")
    rows = needs(_ASKED, frame=frame, rate=args.rate, cores=args.cores, people=people, size=size, bearable=bearable)
    table = Table("cameras", f"machines of {args.cores} cores", "identity services", "Mbit/s")
    for row in rows:
        table.add_row(str(row.cameras), str(row.machines), str(row.services), f"{row.megabits:.1f}")
    console.print(table)
    console.print(
        f"machines = cameras x {args.rate:g} x {1e3 * frame:.1f} ms / ({args.cores} cores x {SHARE:g}), rounded up"
    )
