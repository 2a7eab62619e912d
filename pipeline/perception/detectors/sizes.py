"""How large a picture goes into the network: by the camera's resolution and the time there is, at several scales.

A detector finds people of some heights in its input and misses smaller and larger ones. NanoDet's scores fall off
below about 32 pixels, and between about 128 and 192 pixels, where its middle grid ends and its coarsest begins: in an
input of 896 pixels it loses people whom it finds in 416. A larger input therefore comes with smaller ones beside
it, each at most `STEP` times as large as the next: a person too near for one input is found in the next smaller one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

OWN = 416
"""Longer side that the network was trained with."""
STEP = 2.2
SIDES = (416, 640, 896, 1280, 1792)
"""Longer sides that `auto` chooses from."""
SCALE = 0.45
"""Input pixels per picture pixel that `auto` asks for: compression leaves little for the network beyond that."""
MOST_CPU, MOST_GPU = 1280, 1792
"""Longest sides that `auto` chooses on a CPU and on a GPU."""
SMALLEST = 32
"""Height in input pixels from which somebody in plain sight is found as a rule."""
LIVE_RATE = 10.0
"""Frames per second of a live camera that says nothing of its rate."""
LIVE_SHARE = 0.5
"""Share of the time between two frames that the detector may take; the rest is for everything else."""


@dataclass(frozen=True, slots=True)
class Sight:
    """How closely a camera's picture is looked at.

    Attributes:
        side: longer side of the largest input, pixels.
        smallest: height in the camera's pixels from which people in plain sight are found as a rule.
    """

    side: int
    smallest: int


def auto_side(width: int, height: int, most: int) -> int:
    """Choose the longer side of the input for a picture of this size, at most `most` pixels."""
    wanted = SCALE * max(width, height)
    return min(next((side for side in SIDES if side >= wanted), SIDES[-1]), max(most, OWN))


def scales(side: int) -> list[int]:
    """List the longer sides to look at: `side`, and smaller ones down to the network's own, the smallest first."""
    if side <= OWN:
        return [side]
    steps = math.ceil(math.log(side / OWN) / math.log(STEP) - 1e-9)
    return [round(OWN * (side / OWN) ** (step / steps) / 32) * 32 for step in range(steps)] + [side]


def most_in_time(seconds: Callable[[int], float], cameras: int, rate: float) -> int:
    """Choose the largest side for which live cameras can be kept up with.

    Args:
        seconds: how long a wide picture (16 : 9) takes at this side, all its scales together.
        cameras: how many there are.
        rate: frames per second of each.
    """
    budget = LIVE_SHARE / rate
    fitting = [side for side in SIDES if cameras * seconds(side) <= budget]
    return max(fitting, default=SIDES[0])


def pixels(side: int) -> int:
    """Count the input pixels of a wide picture (16 : 9) at all scales."""
    return sum(one * round(one * 9 / 16 / 32) * 32 for one in scales(side))
