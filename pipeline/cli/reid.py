"""`relaytrack reid ...`: hands everything on to the re-identification package's own command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

HELP = "train, score, measure and export re-identification networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All words that follow."""
    parser.add_argument("words", nargs=argparse.REMAINDER)


def forward(argv: Sequence[str]) -> int:
    """Run `relaytrack reid ARGV`."""
    from relaytrack.reid.cli import main

    return main(list(argv))


def run(args: argparse.Namespace) -> int:
    """Run with what argparse has left over."""
    return forward(args.words)
