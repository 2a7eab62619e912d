"""How long trackers take on a synthetic crowd: passes interleaved, medians of CPU time, one thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relaytrack.pipeline.benchmarks.contenders import Contender
from relaytrack.pipeline.benchmarks.synthetic import FPS, crowd
from relaytrack.pipeline.replay.detection_cache import DetectionCache


@dataclass(frozen=True, slots=True)
class Timing:
    """One tracker on the crowd of one size.

    Attributes:
        milliseconds: median over all frames of all passes.
        passes: the median of each pass, in the order they ran; the same place in another tracker's list ran
            right before or after.
        ids: how many ids it made for the `people`.
    """

    tracker: str
    people: int
    milliseconds: float
    passes: tuple[float, ...]
    ids: int


def time_trackers(contenders: Sequence[Contender], people: int, repeats: int = 3) -> list[Timing]:
    """Time every contender on `people` walkers.

    One pass of each follows the other, `repeats` times over, so that a slow moment of the machine meets all.
    """
    load = crowd(people)
    passes: dict[str, list[float]] = {one.name: [] for one in contenders}
    all_seconds: dict[str, list[float]] = {one.name: [] for one in contenders}
    ids: dict[str, int] = {}
    for turn in range(repeats):
        for contender in contenders if turn % 2 == 0 else reversed(contenders):
            seconds, ids[contender.name] = _pass(contender, load)
            passes[contender.name].append(1000 * float(np.median(seconds)))
            all_seconds[contender.name] += seconds
    return [
        Timing(
            one.name,
            people,
            1000 * float(np.median(all_seconds[one.name])),
            tuple(passes[one.name]),
            ids[one.name],
        )
        for one in contenders
    ]


def ratio(timing: Timing, reference: Timing) -> float:
    """Time of one tracker over that of another: the median over the passes that ran side by side."""
    return float(np.median(np.array(timing.passes) / np.array(reference.passes)))


def _pass(contender: Contender, load: DetectionCache) -> tuple[list[float], int]:
    run = contender.start(FPS)
    clock = load.clock(None).tolist()
    seconds: list[float] = []
    names: set[int] = set()
    for index, rows in enumerate(load.per_frame()):
        given = load.embeddings[rows] if contender.appearance and load.embeddings is not None else None
        begin = time.thread_time()
        ids, _ = run(load.xyxy[rows], load.scores[rows], given, clock[index])
        seconds.append(time.thread_time() - begin)
        names.update(np.asarray(ids).tolist())
    return seconds, len(names)
