"""What a run leaves to read: CSV files, TensorBoard events and a line on the terminal."""

from __future__ import annotations

import csv
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from relaytrack.reid.errors import ReidOutputError
from relaytrack.reid.evaluation.ranking import RankingScores
from relaytrack.reid.outputs import writing
from relaytrack.reid.training.board import Board

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


log = logging.getLogger(__name__)


class RunLog:
    """Writes `steps.csv` and `validation.csv` in the run's folder; rows after a resumed step are taken back.

    A log that cannot be written any more (the disk is full) is told once and does not end the training.

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
        self._board: Board | None = None
        self._failed = False

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
        self._board = self._open_board()
        self._bar = _bar(step, self._total)

    def close(self) -> None:
        """Close the files."""
        closing = [file.close for file in self._files] + ([] if self._board is None else [self._board.close])
        self._files.clear()
        self._scores.clear()
        self._board = None
        for close in closing:
            with self._not_vital():
                close()
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
        with self._not_vital():
            self._steps.writerow({"step": step, **row})
        if self._bar is not None:
            done = step if self._total is not None else round(1000 * progress)
            self._bar.update(TaskID(0), completed=done, description=f"loss {values['loss']:.3f}")
        if show:
            with self._not_vital():
                self._files[0].flush()
            if self._bar is None:
                text = " ".join(f"{name} {value:.4g}" for name, value in values.items())
                print(f"{time.strftime('%H:%M:%S')} step {step} {text}", file=sys.stderr, flush=True)
            self._draw("train", step, values)

    def validation(self, step: int, scores: RankingScores, name: str = "") -> None:
        """Record the scores of held-out identities; those of a named data set in `validation_NAME.csv`."""
        if not self.active:
            return
        with self._not_vital():
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
        self._draw(what.replace(" ", "_"), step, scores.to_dict())

    def _draw(self, group: str, step: int, values: Mapping[str, float]) -> None:
        if self._board is not None:
            with self._not_vital():
                self._board.draw(group, step, values)

    def _open_board(self) -> Board | None:
        """TensorBoard's curves, or None where the package is not installed."""
        with self._not_vital(), suppress(ImportError):
            return Board(self.folder / "tensorboard")
        return None

    @contextmanager
    def _not_vital(self) -> Iterator[None]:
        """Say once that the log has gaps."""
        try:
            yield
        except (OSError, ReidOutputError) as error:
            if not self._failed:
                reason = error.strerror if isinstance(error, OSError) else error
                log.warning("the logs in %s are not complete: %s", self.folder, reason)
            self._failed = True

    def _open(self, name: str, fields: tuple[str, ...]) -> csv.DictWriter[str]:
        path = self.folder / name
        kept: list[dict[str, Any]] = []
        if self._start and path.is_file():
            whole = path.read_text(encoding="utf-8").rpartition("\n")[0]  # a kill may have cut the last line
            kept = [row for row in csv.DictReader(whole.splitlines()) if int(row["step"]) <= self._start]
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
