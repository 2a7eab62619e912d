"""`relaytrack split`: give some tracks of a person a number of their own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from relaytrack.pipeline.cli.correcting import add_correction_arguments, correct_run

if TYPE_CHECKING:
    from relaytrack.pipeline.postprocess.finished_run import FinishedRun

HELP = "give some tracks of a person, or all from a moment on, a number of their own"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack split`."""
    add_correction_arguments(parser)
    parser.add_argument("person", type=int, metavar="ID", help="the person's number")
    parser.add_argument(
        "tracks", nargs="*", metavar="CAMERA:TRACK", help="the tracks to take out, as in identities.json"
    )
    parser.add_argument(
        "--at",
        type=float,
        metavar="S",
        help="instead of tracks: all that the person has from this second on; tracks that go across it are cut",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.errors import InputError
    from relaytrack.pipeline.postprocess.corrections import split, split_at

    if (args.at is None) == (not args.tracks):
        raise InputError("name tracks to take out, or a moment with --at")
    tracks = []
    for text in args.tracks:
        camera, _, number = text.rpartition(":")
        if not camera or not (number.isascii() and number.isdecimal()):
            raise InputError(f"{text!r} is not CAMERA:TRACK")
        tracks.append((camera, int(number)))

    def finished(found: FinishedRun) -> str:
        if args.at is not None:
            new = split_at(found, args.person, args.at, videos=args.videos)
            return f"person {args.person} is person {new} from {args.at:g} s on"
        new = split(found, args.person, tracks, videos=args.videos)
        return f"{', '.join(args.tracks)}: person {new} now, no longer {args.person}"

    wanted = {"person": args.person, "tracks": tracks, "at": args.at}
    print(correct_run(args.folder, "split", wanted, finished))
    return 0
