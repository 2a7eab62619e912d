"""Whatever a camera's address leads to: one clear line that names the camera, and never a long wait."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from PIL import Image as PillowImage

from relaytrack.pipeline.config.schema import InputConfig
from relaytrack.pipeline.errors import ConfigError, SourceError
from relaytrack.pipeline.sources import Source

MakeVideo = Callable[..., Path]
MakeSource = Callable[..., Source]
LIMIT = InputConfig(open_timeout=1.0, read_timeout=1.0)


def failure(source: Source, within: float = 2.0) -> str:
    """The message of opening, which must be one line and come in time."""
    begin = time.monotonic()
    with pytest.raises(SourceError) as caught:
        source.open()
    source.close()
    message = str(caught.value)
    assert time.monotonic() - begin < within
    assert message.startswith("camera 'door': ")
    assert "\n" not in message
    assert source.stats.error == message
    return message


def test_missing_file(tmp_path: Path, make_source: MakeSource) -> None:
    assert "no such file" in failure(make_source(tmp_path / "gone.mp4"))


def test_folder_without_images(tmp_path: Path, make_source: MakeSource) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    assert "no images in this folder" in failure(make_source(tmp_path))


def test_text_file_named_mp4(tmp_path: Path, make_source: MakeSource) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("This is not a video.\n" * 400)
    message = failure(make_source(path))
    assert "no video" in message
    assert "text.mp4" in message


def test_empty_file(tmp_path: Path, make_source: MakeSource) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert "the file is empty" in failure(make_source(path))


def test_what_is_no_file(tmp_path: Path, make_source: MakeSource) -> None:
    """Fault: a pipe was opened twice, and the run waited without end for somebody to write into it again."""
    os.mkfifo(tmp_path / "pipe")
    assert "a pipe cannot be read twice" in failure(make_source(tmp_path / "pipe"))
    assert "no file, but a socket or a device" in failure(make_source(Path("/dev/zero")))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        assert "no file, but a socket or a device" in failure(make_source(tmp_path / "s"))


def test_file_without_pictures_but_sound(make_video: MakeVideo, make_source: MakeSource) -> None:
    assert "no video in it" in failure(make_source(make_video("sound.mp4", audio=True, video=False)))


def test_file_of_which_no_picture_can_be_decoded(make_video: MakeVideo, make_source: MakeSource) -> None:
    path = make_video("holed.avi", codec="mjpeg")
    data = bytearray(path.read_bytes())
    start, end = data.index(b"movi") + 4, data.index(b"idx1")
    at = start
    while at < end:  # keep the chunks, blank what is in them
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        data[at + 8 : at + 8 + size] = bytes(size)
        at += 8 + size + size % 2
    path.write_bytes(data)
    assert "no picture" in failure(make_source(path))


def test_video_with_zero_frames(make_video: MakeVideo, make_source: MakeSource) -> None:
    path = make_video("head.mp4", container_options={"movflags": "frag_keyframe+empty_moov"})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moof") - 4])
    assert "no picture in this video" in failure(make_source(path))


@pytest.mark.parametrize("name", ["tracks.txt", "read.nfo"])
def test_a_text_is_no_video(tmp_path: Path, make_source: MakeSource, name: str) -> None:
    """Fault: FFmpeg draws texts as pictures, and the run went over them."""
    path = tmp_path / name
    path.write_text("".join(f"{frame},{person},10,20,20,40,1,1,1\n" for frame in range(1, 11) for person in (1, 2)))
    assert "no video in it, but text" in failure(make_source(path))


def test_container_that_ends_after_its_header(make_video: MakeVideo, make_source: MakeSource) -> None:
    """Fault: "the stream ended" was said of a file."""
    path = make_video("short.mkv", 1)
    path.write_bytes(path.read_bytes()[: path.read_bytes().index(b"\x1f\x43\xb6\x75")])  # up to the first cluster
    assert "no picture in this video" in failure(make_source(path))


def test_pictures_beyond_the_limit_are_told_by_their_size(
    make_video: MakeVideo, make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: "no picture in this video"."""
    for module in ("demuxing", "video"):
        monkeypatch.setattr(f"relaytrack.pipeline.sources.{module}.MOST_PIXELS", 10_000)
    message = failure(make_source(make_video("big.mkv", 2)))
    assert "its pictures are 160 x 96: more than" in message


def test_mp4_cut_in_half_before_its_index(make_video: MakeVideo, make_source: MakeSource) -> None:
    path = make_video(frames=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    message = failure(make_source(path))
    assert "incomplete file" in message
    assert "clip.mp4" in message


def test_webcam_that_is_not_there(make_source: MakeSource) -> None:
    failure(make_source("webcam:97", options=LIMIT))


@pytest.mark.parametrize("live", [True, False])
class TestNetwork:
    """Both as a live camera and as a stream that is read like a file."""

    def test_unknown_host(self, make_source: MakeSource, live: bool) -> None:
        message = failure(make_source("rtsp://u:pw@no-such-host.invalid/x", options=LIMIT, live=live))
        assert "unknown host: rtsp://***@no-such-host.invalid" in message
        assert "pw" not in message

    def test_refused_port(self, make_source: MakeSource, live: bool) -> None:
        with socket.socket() as reserved:  # bound but not listening
            reserved.bind(("127.0.0.1", 0))
            url = f"rtsp://u:pw@127.0.0.1:{reserved.getsockname()[1]}/x"
            message = failure(make_source(url, options=LIMIT, live=live))
        assert "connection refused" in message
        assert "rtsp://***@127.0.0.1" in message

    @pytest.mark.parametrize("url", ["rtsp://", "rtsp://host:port/x"])
    def test_malformed_address(self, make_source: MakeSource, live: bool, url: str) -> None:
        failure(make_source(url, options=LIMIT, live=live))

    @pytest.mark.parametrize("transport", ["tcp", "udp"])
    def test_server_that_never_answers(
        self, make_source: MakeSource, silent_server: int, live: bool, transport: str
    ) -> None:
        url = f"rtsp://u:pw@127.0.0.1:{silent_server}/x"
        begin = time.monotonic()
        message = failure(make_source(url, options=LIMIT, live=live, transport=transport))
        assert time.monotonic() - begin >= 0.75
        assert "no picture within 1 s" in message or "no answer in time" in message


def test_environment_variable_that_is_not_set(make_source: MakeSource) -> None:
    with pytest.raises(ConfigError, match="camera 'door': environment variable NOT_SET_AT_ALL"):
        make_source("rtsp://${NOT_SET_AT_ALL}@host/x")


def test_secrets_of_the_environment_are_not_shown(make_source: MakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_LOGIN", "admin:hunter2")
    source = make_source("rtsp://${CAMERA_LOGIN}@127.0.0.1:1/x", options=LIMIT)
    message = failure(source)
    assert "hunter2" not in message + repr(source) + repr(source.stats)
    assert "admin" not in message


def test_an_animated_webp_is_read_or_told_by_its_name(tmp_path: Path, make_source: MakeSource) -> None:
    """Fault: "no picture in this video", without the reason: FFmpeg does not read them before PyAV 19."""
    pictures = [PillowImage.new("RGB", (64, 48), (40 * number, 0, 0)) for number in range(4)]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=100)
    source = make_source(tmp_path / "a.webp")
    if int(av.__version__.split(".")[0]) < 19:
        assert "(animated WebP needs PyAV 19 or later; or make a GIF or a folder of pictures of it)" in failure(source)
    else:
        source.open()
        assert len(list(source.frames())) == 4
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=100)
    source = make_source(tmp_path / "a.gif")
    source.open()
    assert len(list(source.frames())) == 4
