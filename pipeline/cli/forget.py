"""`relaytrack forget`: remove a person from everything that a run left behind."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from relaytrack.pipeline.cli.correcting import add_correction_arguments, correct_run

if TYPE_CHECKING:
    from relaytrack.pipeline.postprocess.finished_run import FinishedRun

LOG = logging.getLogger(__name__)
HELP = "remove a person from all files of a run, also while it goes on, and cover them in its videos"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack forget`."""
    add_correction_arguments(parser)
    parser.add_argument("person", type=int, metavar="ID", help="the person's number")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.postprocess.corrections import forget
    from relaytrack.pipeline.postprocess.forgetting_remains import forget_in_remains, what_is_gone
    from relaytrack.pipeline.server.forgetting import forget_in_site, is_site

    wanted = {"person": args.person, "delete_videos": args.videos == "delete"}
    if is_site(Path(args.folder)):
        forget_in_site(Path(args.folder), args.person, delete_videos=args.videos == "delete")
        print(f"person {args.person} is forgotten in {args.folder} and in the folders of its runs")
        return 0

    def finished(found: FinishedRun) -> str:
        forget(found, args.person, videos=args.videos)
        return f"person {args.person} is forgotten in {args.folder}; the source footage still shows them"

    def remains(folder: Path) -> str | None:
        reason = what_is_gone(folder, delete_videos=args.videos == "delete")
        if reason is None:
            return None
        LOG.warning("%s; what is there of the person is removed", reason)
        forget_in_remains(folder, args.person)
        return f"person {args.person} is forgotten in what is left of {folder}; the source footage still shows them"

    print(correct_run(args.folder, "forget", wanted, finished, where=f" in {args.folder}", remains=remains))
    return 0
