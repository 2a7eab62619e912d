"""A server of `relaytrack serve` in a process of its own, for measurements from outside."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
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

from relaytrack.pipeline.benchmarks.resources import Resources
from relaytrack.pipeline.errors import RelayTrackError

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CAMERAS = ("west", "east")
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

    def settled(self, seconds: float = 3.0) -> dict[str, float]:
        """The resources after a while without requests; of threads and open files the fewest within it.

        A camera that is removed while it is sought ends within two seconds, since its tries have pauses.
        """
        end = time.monotonic() + seconds
        found = [self.resources()]
        while time.monotonic() < end:
            time.sleep(0.05)
            found.append(self.resources())
        fewest = {name: min(one[name] for one in found) for name in ("threads", "files")}
        return {**found[-1], **fewest}


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
