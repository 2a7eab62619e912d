"""`relaytrack merge`: join several people of a run into one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from relaytrack.pipeline.cli.correcting import add_correction_arguments, correct_run

if TYPE_CHECKING:
    from relaytrack.pipeline.postprocess.finished_run import FinishedRun

HELP = "join several people of a run into one, in all its files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack merge`."""
    add_correction_arguments(parser)
    parser.add_argument("people", nargs="+", type=int, metavar="ID", help="their numbers; the first one is kept")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.postprocess.corrections import merge

    def finished(found: FinishedRun) -> str:
        kept = merge(found, args.people, videos=args.videos)
        return f"{' and '.join(map(str, args.people))} are person {kept} now"

    print(correct_run(args.folder, "merge", {"people": args.people}, finished))
    return 0
