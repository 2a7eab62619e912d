"""Videos that a web server sends, whatever it says of their length and however the connection ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest

from relaytrack.pipeline.config.schema import InputConfig
from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.sources import Source
from relaytrack.pipeline.sources.http_ending import was_cut
from tests.support.numbered import number_in

MakeVideo = Callable[..., Path]
MakeSource = Callable[..., Source]
LIMIT = InputConfig(open_timeout=5.0, read_timeout=2.0)
B_FRAMES = {"preset": "medium", "bf": "3", "b_strategy": "0", "g": "10"}


class Handler(BaseHTTPRequestHandler):
    """`/MANNER/PATH` sends the file of that path in that manner."""

    protocol_version = "HTTP/1.1"
    authorizations: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        _, manner, path = self.path.split("/", 2)
        data = Path("/" + path).read_bytes()
        self.authorizations.append(self.headers.get("Authorization"))
        if manner.startswith("moved"):
            self.send_response(302)
            self.send_header("Location", self.path.replace("/moved_", "/"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if manner.startswith("vanish"):
            self.server.socket.close()  # nobody is let in from now on
        sent = data[: len(data) * 6 // 10] if manner.startswith("cut") else data
        if manner.endswith("ranges"):
            start = int(self.headers.get("Range", "bytes=0-").split("=")[1].split("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            sent = sent[start:]
        else:
            self.send_response(200)
            if manner.endswith("length"):
                self.send_header("Content-Length", str(len(data)))
            elif manner.endswith("chunks"):
                self.send_header("Transfer-Encoding", "chunked")
                last = b"" if manner.startswith("cut") else b"\r\n0\r\n\r\n"
                sent = b"%x\r\n%s%s" % (len(data), sent, last)
        self.end_headers()
        try:
            self.wfile.write(sent)
        except OSError:
            self.close_connection = True
        if manner.startswith("cut") or manner.endswith("until_closed"):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A reader may leave at any time."""


@pytest.fixture
def address() -> Iterator[Callable[[str, Path], str]]:
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield lambda manner, path: f"http://127.0.0.1:{server.server_address[1]}/{manner}{path}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("manner", ["length", "until_closed", "chunks", "ranges"])
@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("a.mp4", "libx264", B_FRAMES), ("a.ts", "libx264", B_FRAMES), ("a.mkv", "libx264", B_FRAMES),
     ("a.avi", "libx264", {"bf": "0"}), ("a.mjpeg", "mjpeg", {}), ("a.h264", "libx264", {"bf": "0"})],
)  # fmt: skip
@pytest.mark.parametrize("threads", [1, 3])
def test_every_frame_comes_to_the_last(
    make_video: MakeVideo,
    make_source: MakeSource,
    address: Callable[[str, Path], str],
    manner: str,
    name: str,
    codec: str,
    options: dict[str, str],
    threads: int,
) -> None:
    """Faults: an error after the last frames, some of them lost; nothing at all from a server with byte ranges."""
    moved = {"movflags": "faststart"} if name.endswith("mp4") else {}
    path = make_video(name, 40, codec=codec, options=options, container_options=moved)
    options_read = LIMIT.model_copy(update={"threads": threads})
    source = make_source(address(manner, path), options=options_read, live=False)
    source.open()
    assert [number_in(frame.image) for frame in source.frames()] == list(range(1, 41))
    assert source.stats.error is None
    assert source.stats.broken == 0


@pytest.mark.parametrize("manner", ["cut_length", "cut_ranges"])
@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mp4"])
def test_a_connection_that_is_cut_is_told_after_the_frames_that_came(
    make_video: MakeVideo, make_source: MakeSource, address: Callable[[str, Path], str], manner: str, name: str
) -> None:
    moved = {"movflags": "faststart"} if name.endswith("mp4") else {}
    path = make_video(name, 100, options=B_FRAMES, container_options=moved)
    source = make_source(address(manner, path), options=LIMIT, live=False)
    source.open()
    shown = []
    frames = source.frames()
    with pytest.raises(SourceError, match="camera 'door': the connection was cut before the end of the video"):
        shown.extend(number_in(frame.image) for frame in frames)
    assert len(shown) >= 20
    assert shown[:-1] == list(range(1, len(shown))), "the pictures that the decoder held back came too"
    assert source.stats.error is not None


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mjpeg"])
def test_chunks_that_end_before_the_last_one_are_told(
    make_video: MakeVideo, make_source: MakeSource, address: Callable[[str, Path], str], name: str
) -> None:
    """Fault: a video in chunks of unknown length that was cut just ended, and the run with it, without a word."""
    path = make_video(name, 60, codec="mjpeg" if name == "a.mjpeg" else "libx264")
    source = make_source(address("cut_chunks", path), options=LIMIT, live=False)
    source.open()
    shown = []
    with pytest.raises(SourceError, match="camera 'door': the connection was cut before the end of the video"):
        shown.extend(frame.index for frame in source.frames())
    assert len(shown) >= 20
    source = make_source(address("chunks", path), options=LIMIT, live=False)
    source.open()
    assert len(list(source.frames())) == 60


def test_a_server_that_is_gone_is_told(
    make_video: MakeVideo, make_source: MakeSource, address: Callable[[str, Path], str]
) -> None:
    path = make_video("a.ts", 60)
    source = make_source(address("vanish_until_closed", path), options=LIMIT, live=False)
    source.open()
    with pytest.raises(SourceError, match="the connection was cut before the end of the video"):
        list(source.frames())


def test_whether_a_stream_was_cut_is_asked_with_the_password_at_its_host_only(
    make_video: MakeVideo, address: Callable[[str, Path], str]
) -> None:
    path = make_video("a.ts", 6)
    for manner, cut in (("chunks", True), ("until_closed", False), ("moved_chunks", True)):
        assert was_cut(address(manner, path)) is cut
    guarded = address("moved_chunks", path).replace("//", "//user:p%40ss@")
    Handler.authorizations.clear()
    assert was_cut(guarded) is False
    assert Handler.authorizations == ["Basic dXNlcjpwQHNz"]
    assert was_cut("http://[::1") is False


def test_an_mp4_with_its_index_at_the_end_says_what_to_do(
    tmp_path: Path, make_source: MakeSource, address: Callable[[str, Path], str]
) -> None:
    path = tmp_path / "late.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        random = np.random.default_rng(1)
        for _ in range(40):
            noise = random.integers(0, 255, (240, 320, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())
    source = make_source(address("ranges", path), options=LIMIT, live=False)
    source.open()
    assert len(list(source.frames())) == 40
    for manner in ("until_closed", "chunks"):
        with pytest.raises(SourceError, match=r"without byte ranges .* -movflags faststart"):
            make_source(address(manner, path), options=LIMIT, live=False).open()


def test_a_live_camera_over_http_goes_on_after_each_end(
    make_video: MakeVideo, make_source: MakeSource, address: Callable[[str, Path], str]
) -> None:
    path = make_video("a.ts", 40)
    quick = LIMIT.model_copy(update={"reconnect_initial": 0.1, "reconnect_max": 0.2})
    source = make_source(address("until_closed", path), options=quick, live=True)
    source.open()
    until = time.monotonic() + 10
    for _ in source.frames():
        if source.stats.reconnects >= 2 or time.monotonic() > until:
            break
    assert source.stats.reconnects >= 2
    source.close()
