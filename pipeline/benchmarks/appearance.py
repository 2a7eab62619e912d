"""What appearance buys, and what it looks like: our tracker with and without embeddings, and its time-lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from relaytrack.pipeline.benchmarks.accuracy import Cell, find_cases, measure
from relaytrack.pipeline.benchmarks.contenders import own_contenders
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.replay.detection_cache import read_cache
from relaytrack.pipeline.replay.track import track_cache
from relaytrack.trackers import DeepSort
from relaytrack.trackers.evaluation import evaluate_in_detail
from relaytrack.trackers.evaluation.timelines import save_timelines

MOTION_ONLY = "motion only"


def compare_embeddings(
    folders: Sequence[tuple[str, Path]], truths: Path, say: Callable[[str], None]
) -> dict[str, list[Cell]]:
    """Run our tracker without embeddings, and with those of each folder of caches, on the same detections.

    Args:
        folders: (whose embeddings, folder of SEQUENCE_DETECTOR.npz); the first also stands for motion only.
        truths: folder of sequence folders.
        say: told what is under way.

    Raises:
        InputError: see `find_cases`.
    """
    ours = {one.name: one for one in own_contenders()}
    found: dict[str, list[Cell]] = {MOTION_ONLY: []}
    for index, (name, folder) in enumerate(folders):
        for case in find_cases(folder, truths):
            say(f"{case.sequence} {case.detector}: {name}")
            if index == 0:
                found[MOTION_ONLY] += measure(case, [ours["relaytrack motion only"]])
            found.setdefault(f"+ {name}", []).extend(measure(case, [ours["relaytrack"]]))
    return found


def plot_cases(caches: Path, truths: Path, folder: Path, say: Callable[[str], None]) -> None:
    """Write one picture of identity time-lines per cache, of our default tracker.

    Raises:
        OutputError: the folder cannot be made.
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from None
    for case in find_cases(caches, truths):
        found = track_cache(read_cache(case.path), DeepSort(), fps=case.truth.frame_rate)
        file = folder / f"timeline_{case.sequence}_{case.detector}.png"
        detail = evaluate_in_detail(case.truth, found.rows)
        title = f"{case.sequence}, detector {case.detector}"
        save_timelines(file, detail, title=title, frame_rate=case.truth.frame_rate)
        say(f"wrote {file}")
