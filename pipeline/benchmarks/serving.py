"""Measures `relaytrack serve` from outside: a server of its own process on the two sample clips, and clients here."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from relaytrack.pipeline.benchmarks.resources import Resources
from relaytrack.pipeline.errors import RelayTrackError

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CAMERAS = ("west", "east")
PATHS = ("/api/v1/cameras", "/api/v1/people", "/api/v1/tracks", "/api/v1/status", "/api/v1/events?limit=50")
"""What is asked for in turn."""
_OPEN = re.compile(r"open http://([0-9.]+):(\d+)/")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs.

    Attributes:
        host, port: where it listens; pid: its process.
    """

    host: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        """The page."""
        return f"http://{self.host}:{self.port}/"

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """One request; the JSON of its answer.

        Raises:
            RelayTrackError: it is refused.
        """
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            body = None if content is None else json.dumps(content)
            connection.request(method, path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise RelayTrackError(f"{method} {path}: {answer.status} {data[:200]!r}")
        return json.loads(data) if data else None

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resources(self) -> dict[str, float]:
        """Resident MiB, threads and open files."""
        return asdict(Resources.now(self.pid))


@contextmanager
def server(
    *, fps: float = 7.0, cameras: Mapping[str, str] | None = None, mqtt_port: int | None = None
) -> Iterator[Server]:
    """`relaytrack serve` with live cameras, in a folder that goes at the end.

    Args:
        fps: pictures per second.
        cameras: address of each; None: the sample clips, looped.
        mqtt_port: of a broker here that gets the events; None sends none.

    Raises:
        RelayTrackError: it does not start.
    """
    addresses = {name: str(SAMPLES / f"{name}.mp4") for name in CAMERAS} if cameras is None else cameras
    loop = ", loop: true" if cameras is None else ""
    given = [f"{{name: {name}, url: '{url}', live: true{loop}, max_fps: {fps}}}" for name, url in addresses.items()]
    sinks = [] if mqtt_port is None else [f"{{name: mqtt, options: {{host: 127.0.0.1, port: {mqtt_port}}}}}"]
    with TemporaryDirectory() as folder:
        site = Path(folder) / "site.yaml"
        site.write_text(f"cameras: [{', '.join(given)}]\nsinks: [{', '.join(sinks)}]\n")
        command = [sys.executable, "-m", "relaytrack.pipeline.cli.main", "serve", str(site)]
        command += ["--port", "0", "--dir", f"{folder}/site"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        said = process.stderr
        assert said is not None
        reading = threading.Thread(target=said.read, daemon=True)
        try:
            lines: list[str] = []
            while not (found := _OPEN.search(lines[-1] if lines else "")):
                line = said.readline()
                if not line:
                    raise RelayTrackError(f"the server ended: {' '.join(lines[-3:])}")
                lines.append(line)
            reading.start()
            running = Server(found[1], int(found[2]), process.pid)
            _wait_for_pictures(running)
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if reading.is_alive():
                reading.join(5)
            said.close()


def _wait_for_pictures(running: Server, limit: float = 60.0) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        cameras = running.ask("GET", "/api/v1/cameras")["cameras"]
        if all(camera.get("frames", 0) > 10 for camera in cameras):
            return
        time.sleep(0.2)
    raise RelayTrackError("the cameras give no pictures")


# API


async def measure_api(running: Server, *, rate: float = 50.0, seconds: float = 20.0) -> dict[str, float]:
    """Latency at a constant rate of requests, each counted from the moment at which it was due.

    Returns:
        `p50`, `p95`, `p99` and `most` in milliseconds, and the `count`.
    """
    lanes = 16
    waiting: asyncio.Queue[tuple[float, str] | None] = asyncio.Queue()
    taken: list[float] = []

    async def lane() -> None:
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

    tasks = [asyncio.create_task(lane()) for _ in range(lanes)]
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


async def _look(running: Server, camera: str, ending: asyncio.Event, first: list[float] | None = None) -> int:
    """Look at a camera until the end; the number of pictures."""
    from websockets.asyncio.client import connect

    begin, pictures = time.monotonic(), 0
    address = f"ws://{running.host}:{running.port}/api/v1/cameras/{camera}/live?codec=h264"
    async with connect(address, max_size=None) as socket:
        while not ending.is_set():
            try:
                message = await asyncio.wait_for(socket.recv(), 0.5)
            except TimeoutError:
                continue
            if isinstance(message, bytes):
                pictures += 1
                if first is not None and pictures == 2:  # the first message is the video's head
                    first.append(time.monotonic() - begin)
    return pictures


async def _watched(running: Server, viewers: int, seconds: float) -> tuple[float, float]:
    """Seconds of processor time per second with so many viewers of both cameras, and pictures per viewer a second."""
    ending = asyncio.Event()
    tasks = [asyncio.create_task(_look(running, camera, ending)) for camera in CAMERAS for _ in range(viewers)]
    await asyncio.sleep(2.0)  # until all have begun
    cpu, begin = running.cpu(), time.monotonic()
    await asyncio.sleep(seconds)
    used = (running.cpu() - cpu) / (time.monotonic() - begin)
    ending.set()
    pictures = await asyncio.gather(*tasks)
    return used, sum(pictures) / len(tasks) / (seconds + 2.0)


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
        task = asyncio.create_task(_look(running, CAMERAS[number % 2], ending, first))
        end = time.monotonic() + 10.0
        while len(first) <= number and time.monotonic() < end:
            await asyncio.sleep(0.05)
        ending.set()
        await task
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
            time.sleep(1.0)
            found.append({"rounds": float(number - warm), **running.resources()})
    return found
