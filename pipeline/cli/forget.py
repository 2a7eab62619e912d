"""`relaytrack forget`: remove a person from everything that a run left behind."""

from __future__ import annotations

import argparse
from pathlib import Path

from relaytrack.pipeline.cli.merge import add_correction_arguments

HELP = "remove a person from all files of a finished run; videos are drawn anew with them covered"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack forget`."""
    add_correction_arguments(parser)
    parser.add_argument("person", type=int, metavar="ID", help="the person's number")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.postprocess.corrections import forget, open_run

    forget(open_run(Path(args.folder)), args.person, videos=args.videos)
    print(f"person {args.person} is forgotten in {args.folder}; the source footage still shows them")
    return 0
