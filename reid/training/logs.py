"""What a run leaves to read: CSV files, TensorBoard events and a line on the terminal."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

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
        total: the run's last step; None where it ends by the clock.
        active: False makes every method do nothing (the other processes of a distributed run).
    """

    def __init__(self, folder: Path, total: int | None = None, *, active: bool = True) -> None:
        self.folder = folder
        self.active = active
        self._total = total
        self._start = 0
        self._files: list[TextIO] = []
        self._scores: dict[str, csv.DictWriter[str]] = {}
        self._bar: Progress | None = None
        self._board: Any = None

    def open(self, step: int = 0) -> None:
        """Begin to log a run that starts from a step.

        Raises:
            ReidOutputError: the files cannot be written.
        """
        if not self.active:
            return
        self._start = step
        if not step:
            for old in self.folder.glob("validation*.csv"):
                old.unlink()
        self._steps = self._open("steps.csv", _STEP_FIELDS)
        self._board = _board(self.folder)
        self._bar = _bar(step, self._total)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()
        self._files.clear()
        self._scores.clear()
        if self._board is not None:
            self._board.close()
        if self._bar is not None:
            self._bar.stop()

    def step(self, step: int, values: Mapping[str, float], *, progress: float, show: bool) -> None:
        """Record one step; `show` prints it too.

        Args:
            step: its number, from 1.
            values: by name.
            progress: how far the run is, 0..1.
            show: also on the terminal.
        """
        if not self.active:
            return
        row = {name: f"{value:.6g}" for name, value in values.items()}
        self._steps.writerow({"step": step, **row})
        if self._bar is not None:
            done = step if self._total is not None else round(1000 * progress)
            self._bar.update(TaskID(0), completed=done, description=f"loss {values['loss']:.3f}")
        if show:
            self._files[0].flush()
            if self._bar is None:
                text = " ".join(f"{name} {value:.4g}" for name, value in values.items())
                print(f"{time.strftime('%H:%M:%S')} step {step} {text}", file=sys.stderr, flush=True)
            if self._board is not None:
                for name, value in values.items():
                    self._board.add_scalar(f"train/{name}", value, step)

    def validation(self, step: int, scores: RankingScores, name: str = "") -> None:
        """Record the scores of held-out identities; those of a named data set in `validation_NAME.csv`."""
        if not self.active:
            return
        if name not in self._scores:
            file = f"validation_{name}.csv" if name else "validation.csv"
            self._scores[name] = self._open(file, ("step", *RankingScores.__slots__))
        self._scores[name].writerow({"step": step, **scores.to_dict()})
        for open_file in self._files[1:]:
            open_file.flush()
        what = f"validation {name}".rstrip()
        print(
            f"{time.strftime('%H:%M:%S')} step {step} {what} rank-1 {scores.rank1:.2%} mAP {scores.mean_ap:.2%}",
            file=sys.stderr,
            flush=True,
        )
        if self._board is not None:
            for key, value in scores.to_dict().items():
                self._board.add_scalar(f"{what.replace(' ', '_')}/{key}", value, step)

    def _open(self, name: str, fields: tuple[str, ...]) -> csv.DictWriter[str]:
        path = self.folder / name
        kept: list[dict[str, Any]] = []
        if self._start and path.is_file():
            with path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= self._start]
        with writing(path):
            file = path.open("w", newline="")
        self._files.append(file)
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(kept)
        return writer


def _bar(step: int, total: int | None) -> Progress | None:
    """A bar on the terminal; None where stderr is a file, which gets lines instead."""
    if not sys.stderr.isatty():
        return None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True))
    bar.add_task("training", total=1000 if total is None else total, completed=0 if total is None else step)
    bar.start()
    return bar


def _board(folder: Path) -> Any:
    """A TensorBoard writer, or None where the package is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))
