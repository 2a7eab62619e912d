"""`relaytrack bench serve`: latency of the API, the price of viewers, the first picture, cameras that come and go."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HELP = "measure `relaytrack serve` on the sample clips: API, viewers, pictures in a browser, events, cameras (Linux)"
PARTS = ("api", "picture", "viewers", "glass", "mqtt", "cameras")
_ON_CLIPS = {"api", "picture", "viewers", "cameras"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--only", choices=PARTS, action="append", help="one part, may be repeated; default: all")
    parser.add_argument("--rate", type=float, default=50.0, metavar="N", help="requests per second (50)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=20.0,
        metavar="S",
        help="seconds of requests, of looking at the page, of events (20)",
    )
    parser.add_argument("--viewers", type=int, default=20, metavar="N", help="viewers, compared with one viewer (20)")
    parser.add_argument("--rounds", type=int, default=1000, metavar="N", help="cameras added and removed (1000)")
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="rounds of viewers and pictures, in turn (5)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.errors import ConfigError

    for name in ("rate", "seconds", "viewers", "rounds", "repeats"):
        if getattr(args, name) <= 0:
            raise ConfigError(f"--{name}: more than 0")
    wanted = tuple(args.only or PARTS)
    figures: dict[str, Any] = {}
    if "glass" in wanted:
        figures["glass_to_glass_seconds"] = _glass(args.seconds)
    if "mqtt" in wanted:
        figures["mqtt_milliseconds"] = _mqtt(args.seconds)
    if _ON_CLIPS & set(wanted):
        figures |= _on_clips(args, wanted)
    print(json.dumps(figures, indent=2))
    return 0


def _glass(seconds: float) -> dict[str, Any]:
    """From the painted clock to Chromium."""
    from relaytrack.pipeline.benchmarks import glass_to_glass, painted_clock, served_site

    with ExitStack() as open_now:
        cameras = {
            name: open_now.enter_context(painted_clock.clock_camera(served_site.SAMPLES / f"{name}.mp4", 7.0))
            for name in served_site.CAMERAS
        }
        running = open_now.enter_context(served_site.server(cameras=cameras))
        return glass_to_glass.measure_glass(running.url, seconds=seconds)


def _mqtt(seconds: float) -> dict[str, float]:
    """From the site to a subscriber."""
    from relaytrack.pipeline.benchmarks import mqtt_delay, served_site

    with (
        TemporaryDirectory() as folder,
        mqtt_delay.broker(Path(folder)) as port,
        served_site.server(mqtt_port=port) as running,
    ):
        return mqtt_delay.measure_mqtt(running, port, seconds=seconds)


def _on_clips(args: argparse.Namespace, wanted: Collection[str]) -> dict[str, Any]:
    """What is measured on one server with the looped clips."""
    from relaytrack.pipeline.benchmarks import served_site, serving

    figures: dict[str, Any] = {}
    with served_site.server() as running:
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
    return figures
