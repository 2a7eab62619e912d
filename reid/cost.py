"""What a network costs: its multiplications, and the time of several runs that take turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from relaytrack.reid.model import ReidModel


def count_macs(model: ReidModel) -> int:
    """Multiplications per image, from torch's own counter."""
    from torch.utils.flop_counter import FlopCounterMode

    device = next(model.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(1, 3, model.spec.height, model.spec.width, device=device))
    return int(counter.get_total_flops() // 2)


def interleaved(
    runs: Sequence[Callable[[], object]], rounds: int, clock: Callable[[], float], *, warm_up: int = 1
) -> list[list[float]]:
    """Seconds of each round of each, all in turn, so that other load hits all alike; `warm_up` untimed rounds first."""
    for _ in range(warm_up):
        for run in runs:
            run()
    took: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for number, run in enumerate(runs):
            started = clock()
            run()
            took[number].append(clock() - started)
    return took
