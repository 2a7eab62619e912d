"""What `relaytrack merge`, `split` and `forget` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaytrack.reid.paths import plain_path

if TYPE_CHECKING:
    from relaytrack.pipeline.postprocess.finished_run import FinishedRun


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


def correct_run(
    given: str,
    kind: str,
    wanted: Mapping[str, Any],
    finished: Callable[[FinishedRun], str],
    *,
    where: str = "",
    remains: Callable[[Path], str | None] = lambda folder: None,
) -> str:
    """Correct a run, live or finished, and what it has at a shared place.

    Args:
        given: the run's folder, or an URL.
        kind: of the correction, for a live run.
        wanted: its values, likewise.
        finished: corrects a finished run, and says what was done.
        where: put behind the answer of a live run.
        remains: corrects what is left of a damaged run, and says what was done; None where there is a whole one.

    Returns:
        What was done, in one line.

    Raises:
        InputError: the correction makes no sense there.
        RelayTrackError: a file or place cannot be reached or written, or the live run has not answered.
    """
    from relaytrack.pipeline.errors import SourceError
    from relaytrack.pipeline.postprocess.corrections import open_run
    from relaytrack.pipeline.postprocess.live_run import correct_live_run, is_live_run
    from relaytrack.pipeline.results.alone import alone_in
    from relaytrack.pipeline.results.correction_plan import as_kind
    from relaytrack.pipeline.share.shared_run import correct_everywhere

    def correct(folder: Path) -> str:
        said = remains(folder)
        if said is not None:
            return said
        if is_live_run(folder):
            return correct_live_run(folder, as_kind(kind), wanted) + where
        try:
            open_run(folder)  # first, since a lock leaves a file for a moment
            with alone_in(folder):  # nobody corrects it between the look at it and the change
                return finished(open_run(folder))
        except SourceError as error:
            told = "nothing was changed; --videos delete deletes the videos that would be wrong instead"
            raise SourceError(f"{error}; {told}") from error

    return correct_everywhere(given, correct)
