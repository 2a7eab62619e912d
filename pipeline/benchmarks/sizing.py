"""How many machines so many cameras need, from what one frame costs.

machines = ceil(cameras x rate x seconds per frame / (cores x 0.7)), identity services = ceil(cameras / bearable).
It assumes cameras that are alike, cores that are alike, and 0.7 of each core for RelayTrack.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.replay.observe import Observer

SHARE = 0.7
"""Of each core that is planned for; the rest is for peaks and the system."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a number of cameras needs.

    Attributes:
        machines: that follow cameras; services: identity services; megabits: per second into the identity services.
    """

    cameras: int
    machines: int
    services: int
    megabits: float


def needs(
    cameras: Sequence[int], *, frame: float, rate: float, cores: int, people: float, size: float, bearable: int
) -> list[Need]:
    """The machines and identity services that each number of cameras needs.

    Args:
        cameras: the numbers of cameras.
        frame: CPU seconds that a frame costs, with its people.
        rate: frames per second of each camera.
        cores: of each machine.
        people: in each picture.
        size: bytes per person and frame on the network.
        bearable: cameras that one identity service bears.
    """
    return [
        Need(
            number,
            math.ceil(number * rate * frame / (cores * SHARE)),
            math.ceil(number / bearable),
            number * rate * people * size * 8e-6,
        )
        for number in cameras
    ]


def frame_cost(video: Path, frames: int = 40) -> tuple[float, float]:
    """What one frame costs on this machine's CPU: reading, detecting, embedding.

    Args:
        video: a camera's recording.
        frames: frames to take, four times a second; those of the first second do not count.

    Returns:
        CPU seconds of a frame, and the people found in it, both on average.
    """
    changed = {"run.device": "cpu", "run.fps": 4, "run.threads": 1}
    people, started, counted = 0, 0.0, 0
    with Observer(load_config(data={"cameras": [str(video)]}, overrides=changed)) as observer:
        for number, seen in enumerate(islice(observer.frames(), frames)):
            if number == 4:
                started = time.process_time()
            elif number > 4:
                people, counted = people + len(seen.xyxy), counted + 1
        spent = time.process_time() - started
    return spent / max(counted, 1), people / max(counted, 1)
