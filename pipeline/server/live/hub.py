"""Hands live pictures to viewers: a sink that wants drawn pictures only while somebody looks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.records import Image, Step
from relaytrack.pipeline.server.live.fragments import Fragment, FragmentEncoder
from relaytrack.pipeline.server.live.viewer import Codec, Packet, Viewer, wake

QUALITY = 80


class LiveHub:
    """The sink. Each camera is encoded once per codec, whoever looks, and not at all while nobody does."""

    name = "site-live"

    def __init__(self) -> None:
        self._viewers: dict[str, list[Viewer]] = {}
        self._encoders: dict[str, FragmentEncoder] = {}
        self._snapshots: dict[str, list[_Snapshot]] = {}
        self._changing = threading.Lock()
        self._wanted = self._plain = False
        self.closed = False
        self.encoded = 0  # pictures that were encoded

    @property
    def needs_drawn(self) -> bool:
        """Whether anybody looks."""
        return self._wanted

    @property
    def needs_pixels(self) -> bool:
        """Whether anybody wants a picture on which nothing is drawn."""
        return self._plain

    def viewers(self) -> dict[str, int]:
        """How many look at each camera."""
        with self._changing:
            return {camera: len(viewers) for camera, viewers in self._viewers.items()}

    @contextmanager
    def watching(self, camera: str, codec: Codec) -> Iterator[Viewer]:
        """Be a viewer of a camera."""
        viewer = Viewer(camera, codec, asyncio.get_running_loop())
        with self._changing:
            self._viewers.setdefault(camera, []).append(viewer)
            encoder = self._encoders.get(camera)
            if codec == "h264" and encoder is not None:
                encoder.want_key()
                if encoder.init is not None:
                    viewer.offer(Packet("init", encoder.init, codec=encoder.codec))
            self._count()
        try:
            yield viewer
        finally:
            with self._changing:
                left = [other for other in self._viewers.get(camera, ()) if other is not viewer]
                if left:
                    self._viewers[camera] = left
                else:
                    self._viewers.pop(camera, None)
                self._count()

    def snapshot(self, camera: str, timeout: float = 3.0, *, drawn: bool = True) -> bytes | None:
        """The next picture of a camera as JPEG, with what was found or without; None where none comes. Blocks."""
        waiting = _Snapshot(drawn)
        with self._changing:
            self._snapshots.setdefault(camera, []).append(waiting)
            self._count()
        try:
            waiting.there.wait(timeout)
            return waiting.data
        finally:
            with self._changing:
                left = [other for other in self._snapshots.get(camera, ()) if other is not waiting]
                if left:
                    self._snapshots[camera] = left
                else:
                    self._snapshots.pop(camera, None)
                self._count()

    def _count(self) -> None:
        asked = [waiting for found in self._snapshots.values() for waiting in found]
        self._wanted = (bool(self._viewers) or any(waiting.drawn for waiting in asked)) and not self.closed
        self._plain = any(not waiting.drawn for waiting in asked) and not self.closed

    # the sink

    def write(self, step: Step) -> None:
        """Encode the step's pictures for those who look."""
        with self._changing:
            viewers = {camera: tuple(found) for camera, found in self._viewers.items()}
            asked = {camera: tuple(found) for camera, found in self._snapshots.items()}
        for camera in [camera for camera in self._encoders if not _any(viewers.get(camera, ()), "h264")]:
            self._drop(camera)
        for tracks in step:
            camera = tracks.frame.camera
            plain = tuple(waiting for waiting in asked.get(camera, ()) if not waiting.drawn)
            if plain and camera in step.images:
                _answer(plain, picture_jpeg(step.images[camera]))
            image = step.drawn.get(camera)
            if image is None or not (camera in viewers or camera in asked):
                continue
            epoch = tracks.frame.epoch
            if epoch is None:
                epoch = time.time()
            looking = viewers.get(camera, ())
            drawn = tuple(waiting for waiting in asked.get(camera, ()) if waiting.drawn)
            if _any(looking, "jpeg") or drawn:
                self._send_jpeg(image, epoch, looking, drawn)
            if _any(looking, "h264"):
                self._send_video(camera, image, tracks.frame.time, epoch, looking)

    def _send_jpeg(self, image: Image, epoch: float, viewers: tuple[Viewer, ...], asked: tuple[_Snapshot, ...]) -> None:
        data = picture_jpeg(image)
        self.encoded += 1
        packet = Packet("frame", data, epoch)
        looking = [viewer for viewer in viewers if viewer.codec == "jpeg"]
        for viewer in looking:
            viewer.offer(packet)
        wake(looking)
        _answer(asked, data)

    def _send_video(self, camera: str, image: Image, moment: float, epoch: float, viewers: tuple[Viewer, ...]) -> None:
        encoder = self._encoders.get(camera)
        if encoder is not None and not encoder.fits(image):
            self._drop(camera)
            encoder = None
        if encoder is None:
            encoder = self._encoders[camera] = FragmentEncoder()
        fresh = encoder.init is None
        self.encoded += 1
        found: list[Fragment] = encoder.encode(image, moment, epoch)
        looking = [viewer for viewer in viewers if viewer.codec == "h264"]
        packets = [Packet("frame", fragment.data, fragment.epoch, key=fragment.key) for fragment in found]
        if fresh and encoder.init is not None:
            packets.insert(0, Packet("init", encoder.init, codec=encoder.codec))
        for viewer in looking:
            for packet in packets:
                viewer.offer(packet)
        wake(looking)

    def _drop(self, camera: str) -> None:
        encoder = self._encoders.pop(camera, None)
        if encoder is not None:
            encoder.close()

    def camera_added(self, camera: CameraConfig) -> None:
        """Nothing to do before its first picture."""

    def camera_removed(self, name: str) -> None:
        """Its viewers are told that nothing more comes."""
        self._drop(name)
        with self._changing:
            viewers = tuple(self._viewers.get(name, ()))
        for viewer in viewers:
            viewer.end()

    def close(self) -> None:
        """Let all viewers go."""
        with self._changing:
            self.closed = True
            viewers = [viewer for found in self._viewers.values() for viewer in found]
            self._count()
        for viewer in viewers:
            viewer.end()


class _Snapshot:
    def __init__(self, drawn: bool) -> None:
        self.drawn = drawn
        self.there = threading.Event()
        self.data: bytes | None = None


def _answer(asked: Iterable[_Snapshot], data: bytes) -> None:
    for waiting in asked:
        waiting.data = data
        waiting.there.set()


def _any(viewers: tuple[Viewer, ...], codec: Codec) -> bool:
    return any(viewer.codec == codec for viewer in viewers)


def picture_jpeg(image: Image, quality: int = QUALITY) -> bytes:
    """(H, W, 3) uint8 RGB as JPEG."""
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
