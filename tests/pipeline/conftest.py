"""Videos made on the spot, sources built in one call, and the RTSP server, for the tests of `pipeline`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from relaytrack.pipeline.config.schema import CameraConfig, InputConfig, RunConfig
from relaytrack.pipeline.sources import Source, create_source
from tests.support.numbered import numbered_image

SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a video of numbered pictures (frame 1 shows 1, and so on) and return its path."""

    def make(
        name: str = "clip.mp4",
        frames: int = 20,
        *,
        rate: int = 10,
        stamps: Sequence[int] | None = None,
        size: tuple[int, int] = (160, 96),
        codec: str = "libx264",
        options: dict[str, str] | None = None,
        container_options: dict[str, str] | None = None,
        audio: bool = False,
        video: bool = True,
    ) -> Path:
        """`stamps`: presentation time of each frame in milliseconds; default: `rate` per second."""
        path = tmp_path_factory.mktemp("video") / name
        with av.open(str(path), "w", options=container_options or {}) as container:
            if audio:
                sound: Any = container.add_stream("aac", rate=8000)
                sound.layout = "mono"
            if video:
                stream: Any = container.add_stream(codec, rate=rate)
                stream.width, stream.height = size
                stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
                defaults = {"crf": "18", "preset": "ultrafast"} if codec == "libx264" else {}
                stream.options = {**defaults, **(options or {})}
                if stamps is not None:
                    stream.codec_context.time_base = Fraction(1, 1000)
                for number in range(1, frames + 1):
                    image = numbered_image(number, *size)
                    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                    if stamps is not None:
                        frame.pts, frame.time_base = stamps[number - 1], Fraction(1, 1000)
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
            if audio:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                silence.sample_rate = 8000
                container.mux(sound.encode(silence))
                container.mux(sound.encode())
        return path

    return make


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """The stop event of a run; set at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def make_source(stop: threading.Event) -> Callable[..., Source]:
    """Build a source that is not opened yet; keys of the camera by name, options and run as sections."""

    def make(
        url: object,
        name: str = "door",
        options: InputConfig | None = None,
        run: RunConfig | None = None,
        **camera: Any,
    ) -> Source:
        return create_source(
            CameraConfig(url=str(url), name=name, **camera),
            options or InputConfig(),
            run or RunConfig(),
            started=time.monotonic(),
            stop=stop,
        )

    return make


@dataclass
class RtspServer:
    """The server of rtsp_server.py: `/red` (160 x 120, 10 per second) and `/blue` (192 x 144, 15).

    What `red` is set to counts from the next start on.
    """

    user: str = ""
    password: str = ""
    method: str = "basic"
    red: str = "h264 160 120"
    port: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, the second time on the same port, and wait until it listens."""
        script = str(Path(__file__).with_name("rtsp_server.py"))
        credentials = [self.user, self.password, self.method] if self.user else []
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, script, str(self.port), *credentials],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "RED_CAMERA": self.red},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()
        assert line[:1] == ["ready"], "the RTSP server did not start"
        self.port = int(line[1])

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def freeze(self, frozen: bool = True) -> None:
        """Stop it without closing its connections, or let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def url(self, mount: str = "red", credentials: str = "") -> str:
        """Address of a mount."""
        return f"rtsp://{credentials}127.0.0.1:{self.port}/{mount}"


@pytest.fixture
def rtsp_server() -> Iterator[RtspServer]:
    """A running RTSP server; tests that use it carry the mark `needs("rtsp")`."""
    server = RtspServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def rtsp_server_with_password() -> Iterator[RtspServer]:
    """A running RTSP server that asks for a user name and a password."""
    server = RtspServer(user="viewer", password="s3cret")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def rtsp_server_with_digest() -> Iterator[RtspServer]:
    """A running RTSP server that takes no password in clear: user and password prove themselves by a digest."""
    server = RtspServer(user="viewer", password="s3cret", method="digest")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener.getsockname()[1]
