"""What the tests of outgoing sinks share: steps with events, and real servers to send to."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from relaytrack.pipeline.events.schema import EnterEvent
from relaytrack.pipeline.records import Step


def step_with(*numbers: int, camera: str = "west") -> Step:
    """A step with an event for each number, told apart by `identity`."""
    events = tuple(EnterEvent(time=float(n), camera=camera, track=1, identity=n) for n in numbers)
    return Step(float(max(numbers)), events=events)


def numbers_of(events: list[dict[str, Any]]) -> list[int]:
    """The identities, in the order of arrival, every event once."""
    seen: dict[str, int] = {}
    for event in events:
        if event["event"] == "enter":
            seen.setdefault(event["id"], event["identity"])
    return list(seen.values())


def until(done: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(program: str, words: list[str], port: int) -> Iterator[None]:
    """A program that listens on a port, until the end of the block."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    assert path is not None
    running = subprocess.Popen([path, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port))
        yield
    finally:
        running.kill()
        running.wait()


def listens(port: int) -> bool:
    """Whether somebody listens."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


@contextmanager
def mosquitto(folder: Path, port: int, *, password_file: Path | None = None) -> Iterator[None]:
    """A broker that keeps nothing."""
    settings = [f"listener {port} 127.0.0.1", "persistence false", "user root"]  # root reads the test's folder
    settings += ["allow_anonymous true"] if password_file is None else [f"password_file {password_file}"]
    file = folder / "mosquitto.conf"
    file.write_text("\n".join(settings) + "\n")
    with server("mosquitto", ["-c", str(file)], port):
        yield


@dataclass
class Receiver:
    """A web server that does as it is told.

    Attributes:
        answers: status of each coming request, None hangs up without an answer, "hang" waits; 200 afterwards.
        events: all that was accepted.
        headers: of each request.
        bodies: of each request.
    """

    port: int
    answers: list[int | str | None] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receiver(port: int = 0, answers: list[int | str | None] | None = None) -> Iterator[Receiver]:
    """A web server for webhooks."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            there.headers.append(dict(self.headers.items()))
            there.bodies.append(body)
            answer = there.answers.pop(0) if there.answers else 200
            if answer == "hang":
                there.ending.wait(20)
            if not isinstance(answer, int):
                self.close_connection = True
                return
            if answer == 200:
                there.events += json.loads(body)
            self.send_response(answer)
            if answer == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    web.daemon_threads = True
    there = Receiver(web.server_port, list(answers or []))
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield there
    finally:
        there.ending.set()
        web.shutdown()
        web.server_close()
        thread.join()
