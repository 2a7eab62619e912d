"""What `relaytrack merge`, `split` and `forget` share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relaytrack.reid.paths import plain_path


def add_correction_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that they share."""
    parser.add_argument(
        "--run",
        type=plain_path,
        metavar="DIR|URL",
        required=True,
        dest="folder",
        help="the run's output folder, or where it lies at a shared place (cluster.share); a live run may go on "
        "meanwhile",
    )
    parser.add_argument(
        "--videos",
        choices=("redraw", "delete"),
        default="redraw",
        help="draw the videos anew from their sources (default), or delete those that would be wrong; a live run's "
        "videos cannot be drawn anew: there the pictures of a forgotten person's time are blackened",
    )


def corrected_live(folder: Path, kind: str, wanted: Mapping[str, Any]) -> str | None:
    """Correct a live run; what was done in one line, None where the folder is not of a live run.

    Raises:
        InputError: the correction makes no sense there.
        OutputError: a file cannot be written, or the run has not answered.
    """
    from relaytrack.pipeline.postprocess.live_run import correct_live_run, is_live_run
    from relaytrack.pipeline.results.correction_plan import as_kind

    return correct_live_run(folder, as_kind(kind), wanted) if is_live_run(folder) else None
