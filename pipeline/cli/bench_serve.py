"""`relaytrack bench serve`: latency of the API, the price of viewers, the first picture, cameras that come and go."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

HELP = "measure `relaytrack serve` on the sample clips: API, viewers, first picture, cameras that come and go (Linux)"
PARTS = ("api", "picture", "viewers", "cameras")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--only", choices=PARTS, help="one part; default: all")
    parser.add_argument("--rate", type=float, default=50.0, metavar="N", help="requests per second (50)")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="of requests (20)")
    parser.add_argument("--viewers", type=int, default=20, metavar="N", help="compared with one (20)")
    parser.add_argument("--rounds", type=int, default=1000, metavar="N", help="cameras added and removed (1000)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="of viewers and pictures, in turn (5)")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.benchmarks import serving
    from relaytrack.pipeline.errors import ConfigError

    for name in ("rate", "seconds", "viewers", "rounds", "repeats"):
        if getattr(args, name) <= 0:
            raise ConfigError(f"--{name}: more than 0")
    wanted = (args.only,) if args.only else PARTS
    figures: dict[str, Any] = {}
    with serving.server() as running:
        if "picture" in wanted:
            figures["first_picture_seconds"] = asyncio.run(serving.measure_first_picture(running, repeats=args.repeats))
        if "api" in wanted:
            taken = asyncio.run(serving.measure_api(running, rate=args.rate, seconds=args.seconds))
            figures["api_milliseconds"] = taken
        if "viewers" in wanted:
            figures["viewers_cpu"] = asyncio.run(
                serving.measure_viewers(running, many=args.viewers, repeats=args.repeats)
            )
        if "cameras" in wanted:
            figures["cameras"] = serving.measure_churn(running, count=args.rounds, every=max(1, args.rounds // 10))
    print(json.dumps(figures, indent=2))
    return 0
