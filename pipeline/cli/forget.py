"""`relaytrack forget`: remove a person from everything that a run left behind."""

from __future__ import annotations

import argparse
from pathlib import Path

from relaytrack.pipeline.cli.correcting import add_correction_arguments, corrected_live

HELP = "remove a person from all files of a run, also while it goes on, and cover them in its videos"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack forget`."""
    add_correction_arguments(parser)
    parser.add_argument("person", type=int, metavar="ID", help="the person's number")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.postprocess.corrections import forget, open_run
    from relaytrack.pipeline.server.forgetting import forget_in_site, is_site

    wanted = {"person": args.person, "delete_videos": args.videos == "delete"}
    if is_site(Path(args.folder)):
        forget_in_site(Path(args.folder), args.person, delete_videos=args.videos == "delete")
        print(f"person {args.person} is forgotten in {args.folder} and in the folders of its runs")
        return 0
    answer = corrected_live(Path(args.folder), "forget", wanted)
    if answer is not None:
        print(f"{answer} in {args.folder}")
        return 0
    forget(open_run(Path(args.folder)), args.person, videos=args.videos)
    print(f"person {args.person} is forgotten in {args.folder}; the source footage still shows them")
    return 0
