"""`relaytrack merge`: join several people of a run into one."""

from __future__ import annotations

import argparse
from pathlib import Path

from relaytrack.pipeline.cli.correcting import add_correction_arguments, corrected_live

HELP = "join several people of a run into one, in all its files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack merge`."""
    add_correction_arguments(parser)
    parser.add_argument("people", nargs="+", type=int, metavar="ID", help="their numbers; the first one is kept")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.postprocess.corrections import merge, open_run
    from relaytrack.pipeline.share.shared_run import correct_everywhere

    def correct(folder: Path) -> str:
        answer = corrected_live(folder, "merge", {"people": args.people})
        if answer is not None:
            return answer
        kept = merge(open_run(folder), args.people, videos=args.videos)
        return f"{' and '.join(map(str, args.people))} are person {kept} now"

    print(correct_everywhere(args.folder, correct))
    return 0
