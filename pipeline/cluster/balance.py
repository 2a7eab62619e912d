"""Which program follows which camera, by what the cameras cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from relaytrack.pipeline.cluster.head_watch import ClusterError

GAIN = 0.25
"""A camera moves only if the busier of the two programs has less to do afterwards by this share of its load."""


@dataclass(frozen=True, slots=True)
class Place:
    """A program that follows cameras.

    Attributes:
        name: unique.
        capacity: seconds of work that it can do in a second.
        bound: the resource whose cameras it follows; "" for those that are bound to none.
    """

    name: str
    capacity: float = 1.0
    bound: str = ""


def balanced(
    places: Sequence[Place],
    now: Mapping[str, str],
    costs: Mapping[str, float],
    *,
    bind: Mapping[str, str] | None = None,
    fixed: Collection[str] = (),
    gain: float = GAIN,
) -> dict[str, str]:
    """Spread the cameras anew, with as few moves as possible.

    Cameras whose program is lost go to the program with the least to do. After that a camera leaves a program for the
    one with the least to do for as long as the gain is clear; asked again with the same costs, nothing moves.

    Args:
        places: the programs that are there.
        now: camera -> name of its program, there or lost.
        costs: camera -> seconds of work per second; cameras that are missing cost as much as the mean of the others.
        bind: camera -> the resource that it is bound to.
        fixed: cameras that stay where they are unless their program is lost.
        gain: see `GAIN`.

    Returns:
        Camera -> name of its program from now on.

    Raises:
        ClusterError: no program is left for a camera.
    """
    bind = bind or {}
    usual = sum(costs.values()) / len(costs) if costs else 1.0
    price = {camera: costs.get(camera, usual) for camera in now}
    there = {place.name for place in places}
    found = {camera: name for camera, name in now.items() if name in there}
    for camera in sorted(set(now) - set(found), key=lambda one: (-price[one], one)):
        able = [place for place in places if place.bound == bind.get(camera, "")]
        if not able:
            raise ClusterError(f"no machine is left for camera {camera!r}")
        load = loads(places, found, price)
        found[camera] = min(able, key=lambda place: load[place.name] + price[camera] / place.capacity).name
    while (move := _best_move(places, found, price, fixed, gain)) is not None:
        found[move[0]] = move[1]
    return {camera: found[camera] for camera in now}


def loads(places: Sequence[Place], found: Mapping[str, str], price: Mapping[str, float]) -> dict[str, float]:
    """The share of its capacity that each program has to do."""
    sums = {place.name: 0.0 for place in places}
    for camera in sorted(found):  # in one order: the same cameras give the same sum to the last digit
        sums[found[camera]] += price[camera]
    return {place.name: sums[place.name] / place.capacity for place in places}


def _best_move(
    places: Sequence[Place],
    found: Mapping[str, str],
    price: Mapping[str, float],
    fixed: Collection[str],
    gain: float,
) -> tuple[str, str] | None:
    """The move that helps the busiest program which can be helped clearly; None where there is none."""
    load = loads(places, found, price)
    for source in sorted(places, key=lambda place: (-load[place.name], place.name)):
        others = [place for place in places if place.bound == source.bound and place is not source]
        options = [
            (
                max(
                    load[source.name] - price[camera] / source.capacity,
                    load[target.name] + price[camera] / target.capacity,
                ),
                camera,
                target.name,
            )
            for camera, name in found.items()
            if name == source.name and camera not in fixed and price[camera] > 0
            for target in others
        ]
        best = min(options, default=None)
        if best is not None and best[0] <= (1.0 - gain) * load[source.name]:
            return best[1], best[2]
    return None
