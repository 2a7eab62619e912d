"""Cameras that speak RTSP and do it in their own way: rare keyframes, few pictures, no video, one transport only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from relaytrack.pipeline.config.schema import InputConfig
from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.sources import Source
from relaytrack.pipeline.sources.ffmpeg import sendable
from tests.support.rtp_camera import SOUND, VIDEO, Answer, at_rate, h264, refusal, rtp_camera

MakeSource = Callable[..., Source]
QUICK = InputConfig(open_timeout=2.5, read_timeout=5.0, reconnect_initial=0.05, reconnect_max=0.1)


def frames_of(source: Source, count: int) -> list[Any]:
    source.open()
    frames = list(islice(source.frames(), count))
    source.close()
    return frames


def refuses(what: str, code: str) -> Answer:
    return lambda method, request: refusal(code, request) if method == what else None


def test_a_camera_whose_keyframes_are_rare_is_told(make_source: MakeSource) -> None:
    pictures = h264(90, keyframes=100)[5:]
    with rtp_camera(lambda _: at_rate(pictures)) as camera:
        source = make_source(f"rtsp://127.0.0.1:{camera.port}/a", options=QUICK)
        with pytest.raises(SourceError, match=r"within 2\.5 s: .*keyframe.*input\.open_timeout: rtsp://"):
            source.open()


def test_after_a_loss_the_next_keyframe_is_waited_for(
    make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault: each try began somewhere between two keyframes and was given up before the next one."""
    pictures = h264(90, keyframes=60)

    def play(connection: int) -> Iterator[bytes | float]:
        yield from at_rate(pictures[:20] if connection == 1 else pictures[15:])

    with rtp_camera(play) as camera:
        source = make_source(f"rtsp://127.0.0.1:{camera.port}/a", options=QUICK)
        source.open()
        for _ in source.frames():
            if source.stats.reconnects:
                break
        source.close()
        assert camera.connections == 2
    assert caplog.text.count("its next keyframe is waited for") == 1


def test_a_slow_camera_that_promises_more_is_opened_in_time(make_source: MakeSource) -> None:
    """Fault: 25 pictures were looked at before the first one counted, whatever time they took."""
    pictures = h264(20, rate=25)
    with rtp_camera(lambda _: at_rate(pictures, 2.0)) as camera:
        begin = time.monotonic()
        frames = frames_of(make_source(f"rtsp://127.0.0.1:{camera.port}/a", options=QUICK), 4)
        assert time.monotonic() - begin < 6
    assert len(frames) == 4


@pytest.mark.parametrize("live", [True, False])
def test_a_camera_without_video_is_told(make_source: MakeSource, live: bool) -> None:
    def answer(method: str, request: str) -> bytes | None:
        set_up = any(one.startswith("SETUP") for one in camera.requests)
        return refusal("455 Method Not Valid in This State", request) if method == "PLAY" and not set_up else None

    with rtp_camera(lambda _: iter([3.0]), media=(SOUND,), answer=answer) as camera:
        source = make_source(f"rtsp://127.0.0.1:{camera.port}/a", options=QUICK, live=live)
        with pytest.raises(SourceError, match="no video in it"):
            source.open()


def test_what_is_refused_for_another_reason_is_told_as_that(make_source: MakeSource) -> None:
    with rtp_camera(lambda _: iter(()), answer=refuses("SETUP", "453 Not Enough Bandwidth")) as camera:
        source = make_source(f"rtsp://127.0.0.1:{camera.port}/a", options=QUICK)
        with pytest.raises(SourceError, match="the server refused the request"):
            source.open()


@pytest.mark.parametrize(("transport", "other"), [("tcp", "udp"), ("udp", "tcp")])
def test_a_server_that_knows_one_transport_only_says_which(make_source: MakeSource, transport: str, other: str) -> None:
    with rtp_camera(lambda _: iter(()), answer=refuses("SETUP", "461 Unsupported Transport")) as camera:
        source = make_source(f"rtsp://127.0.0.1:{camera.port}/a", options=QUICK, transport=transport)
        with pytest.raises(SourceError, match=f"does not send over {transport.upper()}: set transport: {other}"):
            source.open()


def test_two_videos_of_a_live_camera_are_told(make_source: MakeSource, caplog: pytest.LogCaptureFixture) -> None:
    pictures = h264(40)
    with rtp_camera(lambda _: at_rate(pictures, channels=2), media=(VIDEO, VIDEO)) as camera:
        source = make_source(f"rtsp://127.0.0.1:{camera.port}/a", options=QUICK)
        frames_of(source, 5)
    assert caplog.text.count("2 videos in it: the largest, 160 x 96, is read") == 1
    assert "2 videos" in (source.stats.warning or "")


def test_pictures_that_change_their_size_while_they_come_are_told(make_source: MakeSource) -> None:
    pictures = [*h264(20), *h264(20, size=(320, 192)), *h264(20, size=(160, 128))]
    with rtp_camera(lambda _: at_rate(pictures, 20.0)) as camera:
        source = make_source(f"rtsp://127.0.0.1:{camera.port}/a", options=QUICK)
        source.open()
        for frame in source.frames():
            assert frame.image.shape == (96, 160, 3)
            if "160 x 128" in (source.stats.warning or ""):
                break
        source.close()
    assert "320 x 192 pixels now, 160 x 96 at the start of the run: they are scaled to that" in str(source.stats)


def test_blanks_of_an_address_are_sent_encoded(make_source: MakeSource) -> None:
    pictures = h264(40)
    with rtp_camera(lambda _: at_rate(pictures)) as camera:
        frames_of(make_source(f"rtsp://127.0.0.1:{camera.port}/front door/1", options=QUICK), 2)
        assert {request.split(" ")[1].split("/", 3)[3] for request in camera.requests[:2]} == {"front%20door/1"}
    assert sendable("rtsp://a:b c@h/x%20y z") == "rtsp://a:b%20c@h/x%20y%20z"
