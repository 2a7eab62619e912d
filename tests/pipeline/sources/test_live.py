"""Live cameras without a server: pacing of played files, stopping, retrying and the end of a run."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from relaytrack.pipeline.config.schema import CameraConfig, InputConfig, RunConfig
from relaytrack.pipeline.sources import Source, create_source
from relaytrack.pipeline.sources.live import LiveSource
from relaytrack.pipeline.sources.recorded import RecordedSource
from relaytrack.pipeline.sources.synchroniser import FrameSynchronizer

MakeVideo = Callable[..., Path]
MakeSource = Callable[..., Source]
QUICK = InputConfig(open_timeout=1.0, read_timeout=1.0, reconnect_initial=0.1, reconnect_max=0.2)


def test_a_file_played_live_goes_by_its_clock(make_video: MakeVideo, make_source: MakeSource) -> None:
    source = make_source(make_video(frames=10, rate=10), live=True)
    source.open()
    assert source.live
    begin = time.monotonic()
    frames = list(source.frames())
    assert time.monotonic() - begin >= 0.85
    assert frames[0].index == 1
    assert len(frames) + source.stats.dropped == source.stats.frames == 10
    gaps = [later.time - frames[0].time for later in frames]
    assert gaps == pytest.approx([(frame.index - 1) / 10 for frame in frames])


def test_a_looped_file_begins_anew_and_its_numbers_go_on(make_video: MakeVideo) -> None:
    camera = CameraConfig(url=str(make_video(frames=5, rate=10)), name="loop", live=True, loop=True)
    source = create_source(camera, QUICK, RunConfig(), started=time.monotonic(), stop=threading.Event())
    source.open()
    frames = []
    for frame in source.frames():
        frames.append(frame)
        if len(frames) == 12:
            source.close()
    assert len(frames) == 12
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    assert all(later.time > earlier.time for earlier, later in pairwise(frames))
    with pytest.raises(ValueError, match="loop"):
        CameraConfig(url="a.mp4", loop=True)


@pytest.mark.parametrize("joined", [False, True])
def test_what_is_wrong_with_a_looped_file_is_said_once(
    make_video: MakeVideo, tmp_path: Path, joined: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault: one line for each round, for weeks."""
    path = tmp_path / "a.ts"
    clip = make_video("a.ts", frames=5, rate=25)
    path.write_bytes(clip.read_bytes() * 2)
    if not joined:  # cut off
        path = tmp_path / "a.mp4"
        whole = make_video("b.mp4", frames=40, rate=25, container_options={"movflags": "faststart"}).read_bytes()
        path.write_bytes(whole[: len(whole) // 3])
    camera = CameraConfig(url=str(path), name="loop", live=True, loop=True)
    source = create_source(camera, QUICK, RunConfig(), started=time.monotonic(), stop=threading.Event())
    source.open()
    with caplog.at_level("WARNING", "relaytrack.sources"):
        for count, _ in enumerate(source.frames()):
            if count > 45:
                source.close()
    assert len(caplog.records) <= 1
    assert source.stats.warning is not None
    assert source.stats.warning.count(";") <= 1


def test_a_file_played_live_drops_what_nobody_takes(make_video: MakeVideo, make_source: MakeSource) -> None:
    source = make_source(make_video(frames=20, rate=20), live=True)
    source.open()
    shown = []
    for frame in source.frames():
        shown.append(frame.index)
        time.sleep(0.24)
    assert len(shown) <= 8
    assert source.stats.dropped == 20 - len(shown)
    assert shown == sorted(set(shown))


@pytest.mark.parametrize(
    ("url", "camera", "run", "live"),
    [
        ("a.mp4", None, None, False),
        ("a.mp4", True, None, True),
        ("a.mp4", None, True, True),
        ("a.mp4", True, False, False),
        ("rtsp://h/x", None, None, True),
        ("rtsp://h/x", False, None, False),
        ("rtsp://h/x", None, False, False),
        ("webcam:0", None, None, True),
    ],
)
def test_what_is_live(url: str, camera: bool | None, run: bool | None, live: bool, stop: threading.Event) -> None:
    source = create_source(
        CameraConfig(url=url, name="a", live=camera),
        InputConfig(),
        RunConfig(live=run),
        started=time.monotonic(),
        stop=stop,
    )
    assert source.live is live
    assert isinstance(source, LiveSource if live and "a.mp4" not in url else RecordedSource)


def test_stop_ends_opening_a_server_that_never_answers(
    make_source: MakeSource, silent_server: int, stop: threading.Event
) -> None:
    patient = InputConfig(open_timeout=60, read_timeout=60)
    for live in (True, False):
        stop.clear()
        source = make_source(f"rtsp://127.0.0.1:{silent_server}/x", options=patient, live=live)
        batches = FrameSynchronizer([source], window=None, max_wait=0.1, queue=4, stop=stop)
        threading.Timer(0.3, stop.set).start()
        begin = time.monotonic()
        batches.start()
        assert list(batches) == []
        batches.close()
        assert time.monotonic() - begin < 2


def test_retry_lets_a_live_camera_wait_and_the_others_run(
    make_source: MakeSource, make_video: MakeVideo, stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"rtsp://u:pw@127.0.0.1:{reserved.getsockname()[1]}/x"
        options = QUICK.model_copy(update={"on_start_failure": "retry"})
        run = RunConfig(max_seconds=2.0)
        absent = make_source(url, name="absent", options=options, run=run)
        file = make_source(make_video(frames=8, rate=10), name="file", run=run)
        batches = FrameSynchronizer([absent, file], window=None, max_wait=0.1, queue=4, stop=stop)
        begin = time.monotonic()
        batches.start()
        frames = [frame for step in batches for frame in step]
        batches.close()
    assert [(frame.camera, frame.index) for frame in frames] == [("file", number) for number in range(1, 9)]
    assert time.monotonic() - begin < 4
    assert absent.stats.error is not None
    assert "connection refused" in absent.stats.error
    assert "camera 'absent': connection refused" in caplog.text
    assert "pw" not in caplog.text


def test_max_seconds_ends_a_live_camera_that_sends_nothing(make_source: MakeSource) -> None:
    options = QUICK.model_copy(update={"on_start_failure": "retry", "open_timeout": 30.0})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"rtsp://127.0.0.1:{listener.getsockname()[1]}/x"
        source = make_source(url, options=options, run=RunConfig(max_seconds=0.5))
        begin = time.monotonic()
        source.open()
        assert list(source.frames()) == []
        assert time.monotonic() - begin < 2
    source.close()
