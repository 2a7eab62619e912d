"""Loss and accuracy of a run as a picture."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.errors import ReidOutputError
from relaytrack.reid.outputs import writing

log = logging.getLogger(__name__)


def read_columns(path: Path) -> dict[str, NDArray[np.float64]]:
    """The columns of a CSV file of numbers; empty cells are NaN."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0]) if rows else []
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}


def smooth(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Mean over the last `window` values (fewer at the start)."""
    total = np.cumsum(np.concatenate(([0.0], values)))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return np.asarray((total[ends] - total[starts]) / (ends - starts))


def try_to_draw_curves(folder: Path) -> None:
    """`draw_curves`; a picture that cannot be written is only warned of."""
    try:
        draw_curves(folder)
    except ReidOutputError as error:
        log.warning("%s", error)


def draw_curves(folder: Path) -> Path | None:
    """Draw `steps.csv` and `validation.csv` of a run to `curves.png`.

    Returns:
        The picture; None where matplotlib is not installed or nothing was logged.

    Raises:
        ReidOutputError: the picture cannot be written.
    """
    steps = read_columns(folder / "steps.csv")
    if not steps:
        return None
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    window = max(1, len(steps["step"]) // 50)
    for name in ("loss", "cross_entropy", "triplet", "circle", "centre", "cosine", "relational"):
        if name in steps and np.isfinite(steps[name]).any():
            left.plot(steps["step"], smooth(steps[name], window), label=name.replace("_", " "))
    left.set_xlabel("iteration")
    left.set_ylabel("loss")
    left.legend()
    if "accuracy" in steps and np.isfinite(steps["accuracy"]).any():
        right.plot(steps["step"], smooth(steps["accuracy"], window) * 100, label="training accuracy", alpha=0.5)
    validation = read_columns(folder / "validation.csv") if (folder / "validation.csv").is_file() else {}
    if validation:
        right.plot(validation["step"], validation["rank1"] * 100, marker="o", label="validation rank-1")
        right.plot(validation["step"], validation["mean_ap"] * 100, marker="o", label="validation mAP")
    right.set_xlabel("iteration")
    right.set_ylabel("%")
    if right.lines:
        right.legend()
    path = folder / "curves.png"
    with writing(path):
        figure.savefig(path, dpi=110)
    return path
