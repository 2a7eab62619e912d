"""Live pictures: JPEG and H.264 over a WebSocket, encoded once, and not at all while nobody looks."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from relaytrack.pipeline.records import FrameInfo, FrameTracks, Image, Step
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.server.live.fragments import Fragment, FragmentEncoder
from relaytrack.pipeline.server.live.hub import LiveHub
from relaytrack.pipeline.server.live.viewer import Packet, PacketQueue, Viewer
from tests.support.sites import Served, served, socket_refusal
from tests.support.world import picture, wait_for


def look(site: Served, name: str = "door", codec: str = "jpeg") -> ClientConnection:
    return connect(f"{site.url.replace('http', 'ws')}/api/v1/cameras/{name}/live?codec={codec}", close_timeout=0.3)


def next_bytes(socket: ClientConnection) -> bytes:
    while True:
        message = socket.recv(timeout=10)
        if isinstance(message, bytes):
            return message


def test_jpeg_pictures_with_their_time(site: Served) -> None:
    with look(site) as socket:
        first, second = next_bytes(socket), next_bytes(socket)
    for message in (first, second):
        image = cv2.imdecode(np.frombuffer(message[8:], np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (120, 160, 3)
    assert struct.unpack(">d", first[:8]) < struct.unpack(">d", second[:8])


def test_h264_begins_with_a_header_and_plays(site: Served) -> None:
    with look(site, codec="h264") as socket:
        told, pieces = None, []
        while len(pieces) < 8:
            message = socket.recv(timeout=10)
            if isinstance(message, str):
                told = told or (content if (content := json.loads(message))["type"] == "init" else None)
            else:
                pieces.append(message[8:])
    assert told is not None
    assert told["codec"].startswith("avc1.")
    with av.open(io.BytesIO(b"".join(pieces))) as container:
        frames = list(container.decode(video=0))
    assert len(frames) >= 6
    assert frames[0].key_frame
    assert (frames[0].width, frames[0].height) == (160, 120)


def test_a_second_viewer_begins_with_a_key_frame_and_costs_no_second_encoding(tmp_path: Path) -> None:
    with served(tmp_path) as site, look(site, codec="h264") as one:
        next_bytes(one)
        with look(site, codec="h264") as two:
            header = next_bytes(two)[8:]
            pieces = [next_bytes(two)[8:] for _ in range(3)]
            with av.open(io.BytesIO(header + b"".join(pieces))) as container:
                assert next(container.decode(video=0)).key_frame
            before, frames = site.site.live.encoded, site.site.pipeline.status().cameras["door"].frames
            time.sleep(0.5)
            encoded = site.site.live.encoded - before
            came = site.site.pipeline.status().cameras["door"].frames - frames
            assert encoded <= came + 2, "encoded once, however many look"


def test_nothing_is_encoded_while_nobody_looks(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        with look(site) as socket:
            next_bytes(socket)
            assert site.site.live.needs_drawn
        assert wait_for(lambda: not site.site.live.needs_drawn)
        time.sleep(0.3)
        before = site.site.live.encoded
        time.sleep(0.4)
        assert site.site.live.encoded == before


def test_video_that_cannot_be_encoded_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: one failure of the encoder switched the live pictures of all cameras off until the next start."""
    encode, calls = FragmentEncoder.encode, []

    def failing(encoder: FragmentEncoder, image: Image, moment: float, epoch: float) -> list[Fragment]:
        calls.append(moment)
        if len(calls) == 1:
            raise av.error.MemoryError(12, "Cannot allocate memory")
        return encode(encoder, image, moment, epoch)

    monkeypatch.setattr(FragmentEncoder, "encode", failing)
    hub, host, viewer = LiveHub(), SinkHost(), PacketQueue("west", "h264")
    host.add(hub)
    hub.join(viewer)
    for number in range(3):
        frame, nobody = FrameInfo("west", number, number / 10, (160, 120)), np.zeros((0, 4), np.float32)
        tracks = FrameTracks(frame, np.zeros(0, np.int64), np.zeros(0, np.int64), nobody, nobody[:, 0])
        host.put(Step.of([tracks], drawn={"west": picture(number)}))
    assert wait_for(lambda: len(calls) == 3)
    host.close()
    found = [viewer.take(), viewer.take()]
    assert [packet.kind for packet in found if packet] == ["init", "frame"]


def test_an_unknown_camera_has_no_pictures(site: Served) -> None:
    assert socket_refusal(site, "/api/v1/cameras/none/live") == 403
    assert socket_refusal(site, "/api/v1/cameras/door/live?codec=av1") == 403


def test_a_viewer_who_never_reads_holds_nobody_up(tmp_path: Path) -> None:
    with served(tmp_path) as site, look(site), look(site) as reader:  # the first is never read from
        for _ in range(20):
            next_bytes(reader)
        status = site.site.pipeline.status()
        assert status.sinks["site-live"].dropped == 0


def test_a_slow_video_viewer_goes_on_with_a_key_frame() -> None:
    async def scene() -> list[Packet]:
        viewer = Viewer("door", "h264", asyncio.get_running_loop())
        viewer.offer(Packet("init", b"head"))
        for number in range(100):
            viewer.offer(Packet("frame", b"%d" % number, key=number % 30 == 0))
        found = []
        while (packet := await viewer.next(0.05)) is not None:
            found.append(packet)
        return found

    found = asyncio.run(scene())
    assert found[0].kind == "init"
    assert found[1].key
    assert int(found[1].data) >= 60
    assert [int(packet.data) for packet in found[1:]] == list(range(int(found[1].data), 100))


def test_a_slow_jpeg_viewer_gets_the_newest() -> None:
    async def scene() -> list[bytes]:
        viewer = Viewer("door", "jpeg", asyncio.get_running_loop())
        for number in range(9):
            viewer.offer(Packet("frame", b"%d" % number))
        found = []
        while (packet := await viewer.next(0.05)) is not None:
            found.append(packet.data)
        return found

    assert asyncio.run(scene())[-1] == b"8"


def test_fragments_have_a_key_frame_at_least_every_second() -> None:
    encoder = FragmentEncoder()
    found = [piece for index in range(40) for piece in encoder.encode(picture(index), index / 10, 0.0)]
    encoder.close()
    keys = [place for place, piece in enumerate(found) if piece.key]
    assert keys[0] == 0
    assert max(np.diff(keys)) <= 10
    assert len(found) == 40, "every picture is out at once"


def test_fragments_play_at_the_pictures_times() -> None:
    encoder = FragmentEncoder()
    moments = [5.0, 5.1, 5.25, 5.3, 7.0]
    data = b"".join(
        piece.data for index, moment in enumerate(moments) for piece in encoder.encode(picture(9 * index), moment, 0.0)
    )
    assert encoder.init is not None
    encoder.close()
    with av.open(io.BytesIO(encoder.init + data)) as container:
        frames = list(container.decode(video=0))
    assert [round(float(frame.time), 3) for frame in frames] == [0.0, 0.1, 0.25, 0.3, 2.0]
    seen = frames[-1].to_ndarray(format="rgb24").astype(int)
    assert np.abs(seen - picture(36)).mean() < 4
