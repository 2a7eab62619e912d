"""Cameras that a web server stands for: single pictures, pictures one after the other, playlists of pieces."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from relaytrack.pipeline.config.schema import InputConfig
from relaytrack.pipeline.sources import Source
from tests.support.numbered import number_in, numbered_image

MakeSource = Callable[..., Source]
QUICK = InputConfig(open_timeout=4.0, read_timeout=2.0, reconnect_initial=0.05, reconnect_max=0.1)


def jpeg(number: int) -> bytes:
    """A numbered picture."""
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 160, 96, "yuvj420p", Fraction(1, 10)
    frame = av.VideoFrame.from_ndarray(numbered_image(number), format="rgb24")
    frame.pts = number
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode()])


class Handler(BaseHTTPRequestHandler):
    """`/snapshot` is the next picture, `/parts?TYPE` all at 20 per second, anything else a file of `folder`."""

    folder = Path()
    asked = 0

    def do_GET(self) -> None:
        kind = type(self)
        kind.asked += 1
        path, _, query = self.path.partition("?")
        if path == "/parts":
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
            self.end_headers()
            for number in range(1, 40):
                head = f"--part\r\n{query and f'Content-Type: {query}'}\r\n\r\n".encode()
                self.wfile.write(head + jpeg(number) + b"\r\n")
                time.sleep(0.05)
            return
        if not path.startswith("/snapshot") and not (self.folder / path[1:]).exists():
            self.send_error(404)
            return
        data = jpeg(kind.asked) if path.startswith("/snapshot") else (self.folder / path[1:]).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        if path.startswith("/snapshot"):
            self.send_header("Content-Type", "image/jpeg")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A reader may leave at any time."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    handler = type("Handler", (Handler,), {"folder": tmp_path, "asked": 0})
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def frames_of(source: Source, count: int) -> list[Any]:
    source.open()
    frames = list(islice(source.frames(), count))
    source.close()
    return frames


@pytest.mark.parametrize("path", ["snapshot.jpg", "snapshot.cgi?channel=1"])
def test_single_pictures_are_fetched_again_and_again(
    web: str, make_source: MakeSource, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault: each picture counted as a camera that was lost and came back: two lines and two events, twice a second."""
    source = make_source(f"{web}/{path}", options=QUICK, live=True, max_fps=8.0)
    frames = frames_of(source, 5)
    numbers = [number_in(frame.image) for frame in frames]
    assert numbers == sorted(set(numbers))
    np.testing.assert_allclose(np.diff([frame.time for frame in frames]), 1 / 8, atol=0.1)
    assert source.stats.reconnects == 0
    assert source.fps == 8.0
    assert caplog.text == ""


def test_single_pictures_come_twice_a_second_where_no_rate_is_set(web: str, make_source: MakeSource) -> None:
    source = make_source(f"{web}/snapshot.jpg", options=QUICK, live=True)
    frames = frames_of(source, 3)
    assert source.fps == 2.0
    assert frames[-1].time - frames[0].time == pytest.approx(1.0, abs=0.4)


def test_a_camera_of_single_pictures_that_is_gone_is_lost(web: str, make_source: MakeSource, tmp_path: Path) -> None:
    picture = tmp_path / "now.jpg"
    picture.write_bytes(jpeg(1))
    source = make_source(f"{web}/now.jpg", options=QUICK, live=True, max_fps=20.0)
    source.open()
    for frame in source.frames():
        if frame.index == 3:
            picture.unlink()
            threading.Timer(1.0, picture.write_bytes, [jpeg(2)]).start()
        if number_in(frame.image) == 2:
            break
    source.close()
    assert source.stats.reconnects == 1


@pytest.mark.parametrize(
    ("path", "told"), [("snapshot.jpg", "a single picture"), ("parts?image/jpeg", "have no times")]
)
def test_what_is_no_recording_says_what_to_set(web: str, make_source: MakeSource, path: str, told: str) -> None:
    source = make_source(f"{web}/{path}", options=QUICK)
    assert frames_of(source, 40)
    assert told in str(source.stats.warning)
    assert "live: true" in str(source.stats.warning)


@pytest.mark.parametrize("kind", ["", "image/jpg", "image/jpeg"])
def test_pictures_are_read_whatever_the_server_calls_them(web: str, make_source: MakeSource, kind: str) -> None:
    frames = frames_of(make_source(f"{web}/parts?{kind}", options=QUICK, live=True), 10)
    numbers = [number_in(frame.image) for frame in frames]
    assert numbers == sorted(set(numbers))


def pieces(folder: Path, count: int, *, ended: bool) -> None:
    """`live.m3u8` with pieces of a second, in each of which are 10 numbered pictures."""
    options = {"hls_time": "1", "hls_list_size": "0"} | ({} if ended else {"hls_flags": "omit_endlist"})
    with av.open(str(folder / "live.m3u8"), "w", format="hls", options=options) as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "10"}
        for number in range(1, 10 * count + 1):
            frame = av.VideoFrame.from_ndarray(numbered_image(number), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_pictures_that_come_in_pieces_are_played_at_their_pace(
    web: str, make_source: MakeSource, tmp_path: Path
) -> None:
    """Fault: of each piece only the last picture was looked at."""
    pieces(tmp_path, 3, ended=False)
    source = make_source(f"{web}/live.m3u8", options=QUICK, live=True)
    frames = frames_of(source, 20)
    assert [number_in(frame.image) for frame in frames] == list(range(1, 21))
    assert frames[-1].time - frames[0].time == pytest.approx(1.9, abs=0.5)


@pytest.mark.parametrize("ended", [True, False])
def test_pieces_of_a_camera_that_is_gone_are_not_played_anew(
    web: str, make_source: MakeSource, tmp_path: Path, ended: bool
) -> None:
    """Fault: the last pieces of the list came again with each try, as new pictures."""
    pieces(tmp_path, 1, ended=ended)
    source = make_source(f"{web}/live.m3u8", options=QUICK.model_copy(update={"open_timeout": 1.5}), live=True)
    source.open()
    threading.Timer(8.0, source.close).start()
    assert [number_in(frame.image) for frame in source.frames()] == list(range(1, 11))
    assert source.stats.reconnects == 0
    assert source.stats.error is not None
