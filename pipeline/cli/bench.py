"""`relaytrack bench`: `bench tracker` and the like measure one part, plain `bench` times the pipeline."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

HELP = "measure speed and quality: `bench tracker`, `bench identities`, `bench multiviewx`, or the whole pipeline"
STAGES = {
    "tracker": "relaytrack.pipeline.cli.bench_tracker",
    "identities": "relaytrack.pipeline.cli.bench_identities",
    "multiviewx": "relaytrack.pipeline.cli.bench_multiviewx",
}
PIPELINE = "relaytrack.pipeline.cli.bench_pipeline"
EPILOG = "Benchmarks of their own: relaytrack bench STAGE --help, with STAGE one of: " + ", ".join(STAGES) + "."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing here: the words after `bench` go to `forward`."""


def run(args: argparse.Namespace) -> int:
    """Without further words: the whole pipeline."""
    return forward([])


def forward(words: Sequence[str]) -> int:
    """Parse the words after `bench` with the options of the benchmark that the first one names, and run it.

    The parsed options keep the words themselves as `words`.

    Returns:
        The exit code.
    """
    stage = words[0] if words and words[0] in STAGES else None
    module = importlib.import_module(STAGES[stage] if stage else PIPELINE)
    parser = argparse.ArgumentParser(
        prog=f"relaytrack bench {stage}" if stage else "relaytrack bench",
        description=module.HELP,
        epilog=None if stage else EPILOG,
    )
    module.add_arguments(parser)
    parser.set_defaults(words=list(words))
    return int(module.run(parser.parse_args(words[1:] if stage else words)))
