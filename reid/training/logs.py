"""What a run leaves to read: CSV files, TensorBoard events and a line on the terminal."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from relaytrack.reid.evaluation.ranking import RankingScores
from relaytrack.reid.outputs import writing

_STEP_FIELDS = (
    "step",
    "minutes",
    "loss",
    "cross_entropy",
    "triplet",
    "circle",
    "centre",
    "cosine",
    "relational",
    "accuracy",
    "lr",
    "seconds",
    "wait",
    "loader",
)


class RunLog:
    """Writes `steps.csv` and `validation.csv` in the run's folder; rows after a resumed step are taken back.

    Args:
        folder: the run's folder.
        step: the step that the run starts from.
        total: the run's last step.
        active: False makes every method do nothing (the other processes of a distributed run).
    """

    def __init__(self, folder: Path, step: int = 0, total: int = 1, *, active: bool = True) -> None:
        self.folder = folder
        self.active = active
        self.start = step
        self._files: list[TextIO] = []
        self._bar = _bar(step, total) if active else None

    def __enter__(self) -> Self:
        if self.active:
            self._steps = self._open("steps.csv", _STEP_FIELDS)
            self._scores = self._open("validation.csv", ("step", *RankingScores.__slots__))
            self._board = _board(self.folder)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self._files:
            file.close()
        if self.active and self._board is not None:
            self._board.close()
        if self._bar is not None:
            self._bar.stop()

    def step(self, step: int, values: Mapping[str, float], *, show: bool) -> None:
        """Record one step; `show` prints it too."""
        if not self.active:
            return
        row = {name: f"{value:.6g}" for name, value in values.items()}
        self._steps.writerow({"step": step, **row})
        if self._bar is not None:
            self._bar.update(TaskID(0), completed=step, description=f"loss {values['loss']:.3f}")
        if show:
            self._files[0].flush()
            if self._bar is None:
                text = " ".join(f"{name} {value:.4g}" for name, value in values.items())
                print(f"{time.strftime('%H:%M:%S')} step {step} {text}", file=sys.stderr, flush=True)
            if self._board is not None:
                for name, value in values.items():
                    self._board.add_scalar(f"train/{name}", value, step)

    def validation(self, step: int, scores: RankingScores) -> None:
        """Record the scores of the held-out identities."""
        if not self.active:
            return
        self._scores.writerow({"step": step, **scores.to_dict()})
        self._files[1].flush()
        print(
            f"{time.strftime('%H:%M:%S')} step {step} validation rank-1 {scores.rank1:.2%} mAP {scores.mean_ap:.2%}",
            file=sys.stderr,
            flush=True,
        )
        if self._board is not None:
            for name, value in scores.to_dict().items():
                self._board.add_scalar(f"validation/{name}", value, step)

    def _open(self, name: str, fields: tuple[str, ...]) -> csv.DictWriter[str]:
        path = self.folder / name
        kept: list[dict[str, Any]] = []
        if self.start and path.is_file():
            with path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= self.start]
        with writing(path):
            file = path.open("w", newline="")
        self._files.append(file)
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(kept)
        return writer


def _bar(step: int, total: int) -> Progress | None:
    """A bar on the terminal; None where stderr is a file, which gets lines instead."""
    if not sys.stderr.isatty():
        return None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True))
    bar.add_task("training", total=total, completed=step)
    bar.start()
    return bar


def _board(folder: Path) -> Any:
    """A TensorBoard writer, or None where the package is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))
