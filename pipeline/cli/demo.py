"""`relaytrack demo`: the whole pipeline on the two clips in `samples/`."""

from __future__ import annotations

import argparse
from pathlib import Path

from relaytrack.pipeline.cli.run import add_run_arguments, overrides_from, run_pipeline

HELP = "run the whole pipeline on the sample clips of the checkout"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack demo`."""
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.config.loading import load_config
    from relaytrack.pipeline.errors import InputError

    root = Path(__file__).resolve().parents[2]
    path = root / "configs" / "demo.yaml"
    if not path.exists() or not (root / "samples" / "west.mp4").exists():
        raise InputError(
            f"{root / 'samples'}: the sample clips are not there; they come with the repository, not with the package"
        )
    overrides = {"output.dir": "out/demo", **overrides_from(args)}
    return run_pipeline(load_config(path, overrides=overrides))
