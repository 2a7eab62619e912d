"""Does a measured value grow? A straight line through the samples, with its uncertainty, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

Verdict = Literal["holds", "grows", "starved", "not shown", "too few samples"]
_BLOCKS = 12
_FEWEST = 4


@dataclass(frozen=True, slots=True)
class Growth:
    """What a straight line says about a value.

    Attributes:
        level: the value at the beginning of the line.
        last: the value at its end.
        percent: growth over the horizon, percent of `level`.
        margin: half width of its 95 % confidence interval, percent.
        limit: the growth that is allowed, percent.
        samples: how many samples the line goes through.
        verdict: "holds" where the whole interval is within the limit, "grows" where the whole of it is beyond,
            "not shown" where the limit lies inside; "starved" where the machine was too busy for the run to be judged.
    """

    level: float
    last: float
    percent: float
    margin: float
    limit: float
    samples: int
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None for a margin that is not known."""
        values = {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}
        return values | {"margin": values["margin"] if math.isfinite(self.margin) else None}


def growth(places: Sequence[float], values: Sequence[float], *, horizon: float, limit: float) -> Growth:
    """Fit a line and carry it on.

    Neighbouring samples of memory are alike, so that an ordinary line through them would claim too much certainty.
    The samples are therefore averaged over a dozen blocks first, and the uncertainty is that of a line through the
    blocks (Student's t).

    Args:
        places: where the samples lie, in order: seconds, or frames.
        values: the samples.
        horizon: over how much of the same unit the growth is told.
        limit: the percentage of growth that is allowed.
    """
    x, y = np.asarray(places, np.float64), np.asarray(values, np.float64)
    known = np.isfinite(y)
    x, y = x[known], y[known]
    blocks = min(_BLOCKS, len(y) // 2)
    if blocks < _FEWEST or x[0] == x[-1]:
        level = float(y[0]) if len(y) else 0.0
        return Growth(level, float(y[-1]) if len(y) else 0.0, 0.0, float("inf"), limit, len(y), "too few samples")
    across = np.array([part.mean() for part in np.array_split(x, blocks)])
    means = np.array([part.mean() for part in np.array_split(y, blocks)])
    line = stats.linregress(across, means)
    level = float(line.intercept + line.slope * x[0])
    last = float(line.intercept + line.slope * x[-1])
    factor = 100.0 * horizon / max(abs(level), 1e-9)
    percent = float(line.slope * factor)
    error = 0.0 if np.ptp(means) == 0 else float(line.stderr)  # scipy has no error of a line through equal values
    margin = float(stats.t.ppf(0.975, blocks - 2)) * error * factor
    return Growth(level, last, percent, margin, limit, len(y), _verdict(percent, margin, limit))


def _verdict(percent: float, margin: float, limit: float) -> Verdict:
    if percent + margin <= limit:
        return "holds"
    return "grows" if percent - margin > limit else "not shown"


def joint_verdict(found: Sequence[Growth]) -> Verdict:
    """The worst verdict of several values."""
    order: tuple[Verdict, ...] = ("starved", "grows", "too few samples", "not shown", "holds")
    return min((one.verdict for one in found), key=order.index, default="too few samples")
