"""Round steps for the scales of charts and maps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count


def round_step(span: float, steps: Sequence[float], most: int) -> float:
    """The smallest round step that cuts a scale into few pieces.

    Args:
        span: length of the scale, in the unit of the steps.
        steps: round steps, ascending; beyond the last one its 1, 2 and 5 times powers of ten count as round.
        most: how many pieces there may be.

    Returns:
        One of `steps` or a multiple of the last one.
    """
    longer = (steps[-1] * factor * 10.0**power for power in count() for factor in (1, 2, 5))
    return next((step for step in steps if span / step <= most), None) or next(
        step for step in longer if span / step <= most
    )
