"""Measures `relaytrack serve` from outside: the API, viewers and cameras that come and go; the clients run here."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from relaytrack.pipeline.benchmarks.served_site import CAMERAS, Server
from relaytrack.pipeline.errors import RelayTrackError

PATHS = ("/api/v1/cameras", "/api/v1/people", "/api/v1/tracks", "/api/v1/status", "/api/v1/events?limit=50")
"""What is asked for in turn."""


# API


async def measure_api(running: Server, *, rate: float = 50.0, seconds: float = 20.0) -> dict[str, float]:
    """Latency at a constant rate of requests, each counted from the moment at which it was due.

    Returns:
        `p50`, `p95`, `p99` and `most` in milliseconds, and the `count`.
    """
    connections = 16
    waiting: asyncio.Queue[tuple[float, str] | None] = asyncio.Queue()
    taken: list[float] = []

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(running.host, running.port)
        while (job := await waiting.get()) is not None:
            due, path = job
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {running.host}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            if not head.startswith(b"HTTP/1.1 200") or length is None:
                raise RelayTrackError(f"{path}: {head[:60]!r}")
            await reader.readexactly(int(length[1]))
            taken.append(time.monotonic() - due)
        writer.close()

    tasks = [asyncio.create_task(ask()) for _ in range(connections)]
    begin = time.monotonic()
    for number in range(round(rate * seconds)):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        waiting.put_nowait((due, PATHS[number % len(PATHS)]))
    for _ in tasks:
        waiting.put_nowait(None)
    await asyncio.gather(*tasks)
    p50, p95, p99, most = (1000 * np.percentile(taken, [50, 95, 99, 100])).round(1).tolist()
    return {"p50": p50, "p95": p95, "p99": p99, "most": most, "count": len(taken)}


# viewers


async def _look(running: Server, camera: str, ending: asyncio.Event, pictures: list[float]) -> None:
    """Look at a camera until the end, and note when each picture comes, in seconds from the beginning of the look."""
    from websockets.asyncio.client import connect

    begin, head = time.monotonic(), True
    address = f"ws://{running.host}:{running.port}/api/v1/cameras/{camera}/live?codec=h264"
    async with connect(address, max_size=None) as socket:
        while not ending.is_set():
            try:
                message = await asyncio.wait_for(socket.recv(), 0.5)
            except TimeoutError:
                continue
            if isinstance(message, bytes) and not head:
                pictures.append(time.monotonic() - begin)
            head = head and not isinstance(message, bytes)  # the first message is the video's head


async def _watched(running: Server, viewers: int, seconds: float) -> tuple[float, float]:
    """Seconds of processor time per second with so many viewers of both cameras, and pictures per viewer a second."""
    ending = asyncio.Event()
    seen: list[list[float]] = [[] for _ in range(viewers * len(CAMERAS))]
    tasks = [
        asyncio.create_task(_look(running, CAMERAS[number % len(CAMERAS)], ending, pictures))
        for number, pictures in enumerate(seen)
    ]
    await _until(lambda: all(seen), tasks)
    before, cpu, begin = sum(map(len, seen)), running.cpu(), time.monotonic()
    await asyncio.sleep(seconds)
    passed = time.monotonic() - begin
    used, came = (running.cpu() - cpu) / passed, sum(map(len, seen)) - before
    ending.set()
    await asyncio.gather(*tasks)
    return used, came / len(tasks) / passed


async def _until(there: Callable[[], bool], tasks: Sequence[asyncio.Task[None]], limit: float = 30.0) -> None:
    """Wait until something is there, at the most until a task fails.

    Raises:
        RelayTrackError: it is not there after `limit` seconds.
    """
    end = time.monotonic() + limit
    while not there():
        if any(task.done() for task in tasks):
            await asyncio.gather(*tasks)
        if time.monotonic() > end:
            raise RelayTrackError(f"not every viewer got a picture within {limit:g} s")
        await asyncio.sleep(0.02)


async def measure_viewers(
    running: Server, *, many: int = 20, repeats: int = 5, seconds: float = 6.0
) -> dict[str, float]:
    """Processor time with one viewer and with many, in turn.

    Returns:
        The medians `one` and `many` (seconds a second), their `ratio` (median of the repeats' ratios) and the pictures
        per viewer a second.
    """
    one, other, pictures = [], [], []
    for _ in range(repeats):
        one.append((await _watched(running, 1, seconds))[0])
        used, seen = await _watched(running, many, seconds)
        other.append(used)
        pictures.append(seen)
    return {
        "one": round(statistics.median(one), 3),
        "many": round(statistics.median(other), 3),
        "ratio": round(statistics.median(b / a for a, b in zip(one, other, strict=True)), 3),
        "pictures": round(statistics.median(pictures), 2),
    }


async def measure_first_picture(running: Server, *, repeats: int = 7) -> dict[str, float]:
    """Seconds from opening a camera's socket to its first picture, while nobody else looks; `p50` and `most`."""
    first: list[float] = []
    for number in range(repeats):
        ending = asyncio.Event()
        pictures: list[float] = []
        task = asyncio.create_task(_look(running, CAMERAS[number % len(CAMERAS)], ending, pictures))
        await _until(lambda pictures=pictures: bool(pictures), [task])  # type: ignore[misc]
        ending.set()
        await task
        first.append(pictures[0])
    return {"p50": round(statistics.median(first), 3), "most": round(max(first), 3)}


# cameras


def measure_churn(running: Server, *, count: int = 1000, every: int = 100) -> list[dict[str, float]]:
    """Add and remove a camera that does not answer, again and again.

    Returns:
        The server's resources after each `every` rounds; the first entry is after a tenth of them (warm).
    """
    found = []
    warm = max(count // 10, 1)
    for number in range(1, count + warm + 1):
        running.ask("POST", "/api/v1/cameras", {"url": "rtsp://127.0.0.1:9/x", "name": f"guest{number % 7}"})
        running.ask("DELETE", f"/api/v1/cameras/guest{number % 7}")
        if number == warm or (number > warm and (number - warm) % every == 0):
            found.append({"rounds": float(number - warm), **running.settled()})
    return found
