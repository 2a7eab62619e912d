"""`relaytrack reid ...`: hands everything on to the re-identification package's own command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

HELP = "train, score, measure and export re-identification networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All words that follow."""
    parser.add_argument("words", nargs=argparse.REMAINDER)


def forward(argv: Sequence[str]) -> int:
    """Run `relaytrack reid ARGV`; `adapt` gets the crops of finished runs from the pipeline, which knows runs."""
    from relaytrack.pipeline.config.urls import redact_url
    from relaytrack.reid.cli import main

    if list(argv[:1]) == ["adapt"]:
        from relaytrack.pipeline.postprocess.run_crops import cut_crops
        from relaytrack.reid.training import site_crops

        site_crops.cut_from_run = cut_crops
    return main(list(argv), clean=redact_url)


def run(args: argparse.Namespace) -> int:
    """Run with what argparse has left over."""
    return forward(args.words)
