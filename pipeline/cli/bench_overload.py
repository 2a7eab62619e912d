"""`relaytrack bench overload`: identity accuracy with too little time, dropping frames against adapting."""

from __future__ import annotations

import argparse

HELP = "identity accuracy of live cameras that get a half and a quarter of the time they need: dropping or adapting"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "config", nargs="?", metavar="CONFIG.yaml", help="names the cameras (files), their fps and offset"
    )
    parser.add_argument("--gt", action="append", required=True, metavar="CAMERA=FILE", help="ground truth; may repeat")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override any key")
    parser.add_argument(
        "--need",
        type=float,
        nargs="+",
        default=[2.0, 4.0],
        metavar="N",
        help="full effort takes N times the time that there is (2 4)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.benchmarks.overload import Played, Playground
    from relaytrack.pipeline.config.loading import load_config, parse_assignment
    from relaytrack.pipeline.errors import ConfigError
    from relaytrack.trackers.evaluation import read_ground_truth

    config = load_config(args.config, overrides=dict(parse_assignment(text) for text in args.set))
    named = dict(word.partition("=")[::2] for word in args.gt)
    wanted = {camera.name for camera in config.cameras}
    if set(named) != wanted or not wanted:
        raise ConfigError(f"--gt: name every camera once (CAMERA=FILE): {', '.join(sorted(wanted)) or 'no cameras'}")
    if min(args.need) <= 0:
        raise ConfigError("--need: numbers above 0")
    playground = Playground(config, {name: read_ground_truth(path) for name, path in named.items()})

    def show(what: str, played: Played) -> None:
        figures = played.scores.as_dict()
        columns = " ".join(f"{figures[name]:7.1f}" for name in ("IDF1", "IDP", "IDR", "HOTA"))
        saved = "; ".join(played.measures) or "-"
        print(f"{what:24} {columns} {100 * played.shown:7.0f} {100 * played.looked:7.0f}  {saved}", flush=True)

    print(f"{'':24} {'IDF1':>7} {'IDP':>7} {'IDR':>7} {'HOTA':>7} {'shown %':>7} {'looked':>7}  saved at the end")
    show("all the time", playground.full())
    for need in args.need:
        for adapt in (False, True):
            show(f"1/{need:g}, {'adapting' if adapt else 'dropping'}", playground.short_of_time(need, adapt=adapt))
    return 0
