"""`relaytrack merge`: make several people of a finished run one."""

from __future__ import annotations

import argparse
from pathlib import Path

from relaytrack.reid.paths import plain_path

HELP = "make several people of a finished run one, in all its files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack merge`."""
    add_correction_arguments(parser)
    parser.add_argument("people", nargs="+", type=int, metavar="ID", help="their numbers; the first one is kept")


def add_correction_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that merge, split and forget share."""
    parser.add_argument(
        "--run", type=plain_path, metavar="DIR", required=True, dest="folder", help="the run's output folder"
    )
    parser.add_argument(
        "--videos",
        choices=("redraw", "delete"),
        default="redraw",
        help="draw the videos anew from the sources (default), or delete those that would be wrong",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.postprocess.corrections import merge, open_run

    kept = merge(open_run(Path(args.folder)), args.people, videos=args.videos)
    print(f"{' and '.join(map(str, args.people))} are person {kept} now")
    return 0
