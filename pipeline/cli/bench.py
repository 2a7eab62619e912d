"""`relaytrack bench`: `bench tracker` and the like measure one part, plain `bench` times the pipeline."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from relaytrack.reid.arguments import Parser, did_you_mean, harmless

HELP = "measure speed, quality and endurance: the whole pipeline, or one part (`bench tracker`, `bench serve`, ...)"
STAGES = {
    "cluster": "relaytrack.pipeline.cli.bench_cluster",
    "tracker": "relaytrack.pipeline.cli.bench_tracker",
    "identities": "relaytrack.pipeline.cli.bench_identities",
    "overload": "relaytrack.pipeline.cli.bench_overload",
    "multiviewx": "relaytrack.pipeline.cli.bench_multiviewx",
    "serve": "relaytrack.pipeline.cli.bench_serve",
    "soak": "relaytrack.pipeline.cli.bench_soak",
    "chaos": "relaytrack.pipeline.cli.bench_chaos",
}
PIPELINE = "relaytrack.pipeline.cli.bench_pipeline"
EPILOG = "Other benchmarks: relaytrack bench STAGE --help, with STAGE one of: " + ", ".join(STAGES) + "."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own: the words after `bench` go to `forward`."""


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
    parser = Parser(
        prog=f"relaytrack bench {stage}" if stage else "relaytrack bench",
        description=module.HELP,
        epilog=None if stage else EPILOG,
    )
    module.add_arguments(parser)
    if stage is None and words and not words[0].startswith("-"):
        near = did_you_mean(words[0], STAGES)
        parser.error(f"unknown benchmark {harmless(words[0])!r}{near} (one of {', '.join(STAGES)})")
    parser.set_defaults(words=list(words))
    return int(module.run(parser.parse_args(words[1:] if stage else words)))
