"""`relaytrack bench soak`: does a run of hours, or of millions of frames, take more and more of the machine?"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from relaytrack.pipeline.cli.bench_news import say_when
from relaytrack.reid.paths import file_path, plain_path

if TYPE_CHECKING:
    from relaytrack.pipeline.benchmarks.ending import Ending
    from relaytrack.pipeline.config.schema import Config

HELP = "endurance: memory, threads, open files, disk and age of frames over hours of looped cameras"
_MINUTES, _WARM_UP = 150.0, 40.0
_SMALL_LIMITS: dict[str, Any] = {
    "output.segment_minutes": 2,
    "output.disk_limit_gb": 0.05,
    "output.retain_hours": 0.25,
    "identities.return_ratio": 0.3,
    "identities.window": 100,
    "identities.max_identities": 100,
    "run.adapt": False,
}
"""Settings of a live run without CONFIG.yaml. With those of a site, tables fill up for days before growth ends."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack bench soak`."""
    parser.add_argument(
        "config",
        nargs="?",
        metavar="CONFIG.yaml",
        help="settings; its cameras are not used. Without it a live run has short segments and small tables, which are "
        "full within the warm-up",
    )
    parser.add_argument(
        "--source", action="append", default=[], type=file_path, metavar="FILE", help="clips to play (the two samples)"
    )
    parser.add_argument("--cameras", type=int, default=4, metavar="N", help="cameras; they take turns at the clips (4)")
    parser.add_argument(
        "--rate", type=float, metavar="FPS", help="frames per second of each camera; default: 0.8 of what holds here"
    )
    parser.add_argument("--minutes", type=float, help=f"how long (live {_MINUTES:g}; recorded: no limit)")
    parser.add_argument(
        "--warm-up",
        type=float,
        default=_WARM_UP,
        metavar="MINUTES",
        help=f"minutes at the start that are not judged ({_WARM_UP:g}, at most a third of all)",
    )
    parser.add_argument("--every", type=float, default=5.0, metavar="S", help="seconds between two samples (5)")
    parser.add_argument(
        "--transport", choices=("rtsp", "file"), default="rtsp", help="a real RTSP server (GStreamer), or live files"
    )
    parser.add_argument(
        "--recorded",
        type=int,
        metavar="FRAMES",
        help="instead: recorded detections through tracker, association and text outputs at full speed, without "
        "pictures and networks, until so many frames went through",
    )
    parser.add_argument(
        "--caches",
        action="append",
        default=[],
        type=file_path,
        metavar="NPZ",
        help="with --recorded: one of `relaytrack cache` per camera; default: made of the clips first",
    )
    parser.add_argument("--limit", type=float, metavar="PERCENT", help="growth allowed: in 24 h (2), or recorded (5)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override any key")
    parser.add_argument("--out", type=plain_path, required=True, metavar="DIR", help="folder for CSV and JSON")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(args: argparse.Namespace) -> int:
    """Run, print the summary; 1 where something grows beyond the limit or the machine was too busy to tell."""
    from relaytrack.pipeline.benchmarks.ending import ended_by_signals
    from relaytrack.pipeline.errors import InputError
    from relaytrack.pipeline.results.single_file import check_folder

    if args.cameras < 1:
        raise InputError("--cameras: at least 1")
    for name, least in (("minutes", 0.0), ("every", 0.0), ("rate", 0.0), ("limit", 0.0)):
        value = getattr(args, name)
        if value is not None and not least < value < float("inf"):
            raise InputError(f"--{name}: a number above 0, not {value:g}")
    if args.warm_up < 0:
        raise InputError("--warm-up: at least 0")
    if args.recorded is None and args.every > 60.0 * (args.minutes or _MINUTES):
        raise InputError(f"--every: {args.every:g} seconds are longer than the whole measurement")
    check_folder(Path(args.out))
    with ended_by_signals(say_when) as ending:
        figures = _recorded(args, ending) if args.recorded is not None else _live(args, ending)
    print(json.dumps(figures, indent=2) if args.json else _table(figures))
    if figures["verdict"] == "starved":
        steady = 100 * float(figures["steadiness"])
        say_when(
            f"the machine was too busy: at times {steady:.0f} % of the usual work was done, so growth is not judged"
        )
    return int(figures["verdict"] in ("grows", "starved"))


def _live(args: argparse.Namespace, ending: Ending) -> dict[str, Any]:
    from relaytrack.pipeline.benchmarks.soak import SoakPlan, soak

    minutes = args.minutes or _MINUTES
    plan = SoakPlan(
        clips=_clips(args),
        cameras=args.cameras,
        seconds=60.0 * minutes,
        rate=args.rate,
        every=args.every,
        warm_up=60.0 * min(args.warm_up, minutes / 3),
        transport=args.transport,
        limit=args.limit or 2.0,
    )
    return soak(_config(args, _SMALL_LIMITS), plan, Path(args.out), say_when, ending=ending)


def _recorded(args: argparse.Namespace, ending: Ending) -> dict[str, Any]:
    from relaytrack.pipeline.benchmarks.recorded_soak import record, soak_recorded
    from relaytrack.pipeline.errors import InputError
    from relaytrack.pipeline.replay.detection_cache import need_one_network, read_cache

    if args.recorded < 1:
        raise InputError("--recorded: at least 1 frame")
    given = [(str(path), read_cache(path)) for path in args.caches]
    need_one_network(given)
    caches = [cache for _, cache in given] or record(_config(args), _clips(args), say_when)
    seconds = 60.0 * (args.minutes or math.inf)
    limit = args.limit or 5.0
    return soak_recorded(
        _config(args), caches, args.recorded, Path(args.out), say_when, seconds=seconds, limit=limit, ending=ending
    )


def _config(args: argparse.Namespace, default: Mapping[str, Any] = MappingProxyType({})) -> Config:
    from relaytrack.pipeline.config.loading import load_config, parse_assignment

    overrides = dict(parse_assignment(text) for text in args.set)
    if args.config:
        return load_config(args.config, overrides=overrides)
    return load_config(data={"cameras": []}, overrides={**default, **overrides})


def _clips(args: argparse.Namespace) -> list[Path]:
    from relaytrack.pipeline.errors import InputError

    samples = Path(__file__).resolve().parents[2] / "samples"
    clips = args.source or [samples / "west.mp4", samples / "east.mp4"]
    for clip in clips:
        if not clip.is_file():
            raise InputError(f"{clip}: no such file")
    return clips


def _table(figures: dict[str, Any]) -> str:
    lines = [f"{key}: {value}" for key, value in figures.items() if not isinstance(value, dict)]
    for group in ("growth_per_24_h", "growth", "not_judged"):
        for name, one in figures.get(group, {}).items():
            margin = "?" if one["margin"] is None else f"{one['margin']:.2f}"
            judged = "" if group == "not_judged" else f"  (limit {one['limit']:g} %): {one['verdict']}"
            lines.append(
                f"{group} {name:9} {one['level']:10.3f} -> {one['last']:10.3f}  {one['percent']:+8.2f} %"
                f" +- {margin}{judged}"
            )
    return "\n".join(lines)
