"""Cameras that are lost again and again: is each one back in time, and does nothing pile up?"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from relaytrack.pipeline.benchmarks.chaos.bad_line import FAULTS, BadLine
from relaytrack.pipeline.benchmarks.chaos.stream_server import StreamServer
from relaytrack.pipeline.benchmarks.ending import Ending
from relaytrack.pipeline.benchmarks.looped_cameras import LoopServer, write_clip
from relaytrack.pipeline.benchmarks.resources import Resources
from relaytrack.pipeline.config.schema import CameraConfig, InputConfig, RunConfig
from relaytrack.pipeline.sources import create_source

QUICK = InputConfig(open_timeout=2.0, read_timeout=1.0, reconnect_initial=0.05, reconnect_max=0.3)
"""The time limits of a real run divided by ten or more."""
LIMIT = 2 * QUICK.open_timeout + QUICK.read_timeout + QUICK.reconnect_max
"""Seconds in which a camera must be back: its silence is noticed, the try under way fails, a pause, a new try."""
_LONGEST = 1.5  # seconds that a fault lasts at the most
_TOLD = 20.0  # seconds between two lines about the progress
_ON_ITS_WAY = 0.1  # seconds in which what was sent before a fault still arrives
_START = 30.0  # seconds for the very first picture


@dataclass(slots=True)
class CameraChaos:
    """One camera's rounds.

    Attributes:
        rounds: faults so far, by kind; waits: seconds from each fault's end to the next picture.
        failures: what went wrong, in words.
    """

    rounds: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def lose_cameras(
    rounds: int,
    seed: int,
    say: Callable[[str], object],
    *,
    cameras: int = 4,
    clip: Path | None = None,
    work: Path,
    ending: Ending | None = None,
) -> dict[str, Any]:
    """Let `rounds` faults happen on several cameras side by side.

    Args:
        rounds: faults altogether.
        seed: of kinds and lengths.
        say: told how it goes.
        cameras: how many at a time.
        clip: played over RTSP (GStreamer); None takes the small HTTP server of this package.
        work: a folder for files.
        ending: tells it to end early.

    Returns:
        Figures; `failures` is empty where every camera was back in time.

    Raises:
        InputError: GStreamer's RTSP server is absent.
    """
    ending = ending or Ending()
    found = [CameraChaos() for _ in range(cameras)]
    with ExitStack() as stack:
        port, path, scheme = _server(stack, clip, work)
        shares = [rounds // cameras + (number < rounds % cameras) for number in range(cameras)]
        threads = [
            threading.Thread(
                target=_one_camera,
                args=(f"{scheme}://127.0.0.1:{{}}{path}", port, share, Random(f"{seed}/{number}"), chaos, ending),
                daemon=True,
            )
            for number, (share, chaos) in enumerate(zip(shares, found, strict=True))
        ]
        before = Resources.now()
        for thread in threads:
            thread.start()
        told = time.monotonic()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            if time.monotonic() - told > _TOLD:
                told = time.monotonic()
                say(f"{sum(sum(one.rounds.values()) for one in found)} of {rounds} faults")
        time.sleep(QUICK.open_timeout)  # connections that hung are ended by their time limits
        after = Resources.now()
    waits = sorted(wait for one in found for wait in one.waits)
    kinds: Counter[str] = sum((one.rounds for one in found), Counter())
    failures = [text for one in found for text in one.failures]
    if after.threads > before.threads + 2 or after.files > before.files + 4:
        failures.append(
            f"left behind: threads {before.threads} -> {after.threads}, open files {before.files} -> {after.files}"
        )
    return {
        "faults": sum(kinds.values()),
        "kinds": dict(sorted(kinds.items())),
        "protocol": scheme,
        "limit_seconds": LIMIT,
        "wait_median": round(waits[len(waits) // 2], 3) if waits else None,
        "wait_longest": round(waits[-1], 3) if waits else None,
        "failures": failures,
    }


def _server(stack: ExitStack, clip: Path | None, work: Path) -> tuple[int, str, str]:
    if clip is None:
        server = StreamServer()
        stack.callback(server.close)
        return server.port, server.path, "http"
    loop = stack.enter_context(LoopServer([write_clip(clip, work / "chaos.json", rate=25.0)]))
    return loop.port, "/0", "rtsp"


def _one_camera(address: str, port: int, rounds: int, random: Random, chaos: CameraChaos, ending: Ending) -> None:
    line, stop = BadLine(port, random), threading.Event()
    camera = CameraConfig(url=address.format(line.port), name="camera", live=True)
    source = create_source(camera, QUICK, RunConfig(), started=time.monotonic(), stop=stop)
    seen = _Seen()
    reading = threading.Thread(target=seen.read, args=(source,), daemon=True)
    try:
        reading.start()
        if not seen.after(time.monotonic(), _START):
            chaos.failures.append("no picture at the start")
            return
        for number in range(rounds):
            if ending.told:
                return
            fault = random.choice(FAULTS)
            line.begin(fault)
            time.sleep(random.uniform(0.0, _LONGEST))
            line.lift()
            lifted = time.monotonic()
            chaos.rounds[fault] += 1
            if not seen.after(lifted + _ON_ITS_WAY, LIMIT):
                chaos.failures.append(f"round {number}: no picture within {LIMIT:g} s after {fault} ({seen.error})")
                if not seen.after(lifted, _START):
                    return
            chaos.waits.append(seen.last - lifted)
            time.sleep(random.uniform(0.0, 0.2))
    finally:
        stop.set()
        source.close()
        line.close()
        reading.join(LIMIT)
        if reading.is_alive():
            chaos.failures.append("the source does not end")
        chaos.failures += seen.wrong[:3]


class _Seen:
    """Takes a source's frames and notes when the last one was decoded."""

    def __init__(self) -> None:
        self.last = -math.inf
        self.error: str | None = None
        self.wrong: list[str] = []
        self._news = threading.Condition()

    def read(self, source: Any) -> None:
        index, stamp = 0, -math.inf
        try:
            source.open()
            for frame in source.frames():
                if frame.index <= index or frame.time <= stamp:
                    self.wrong.append(f"frame {frame.index} at {frame.time:.3f} s after {index} at {stamp:.3f} s")
                index, stamp = frame.index, frame.time
                with self._news:
                    self.last = frame.arrived
                    self._news.notify_all()
                self.error = source.stats.error
        except Exception as error:
            self.wrong.append(f"the source ended: {type(error).__name__}: {error}")

    def after(self, moment: float, limit: float) -> bool:
        """Wait until a frame was decoded after `moment`."""
        with self._news:
            return self._news.wait_for(lambda: self.last > moment, limit)
