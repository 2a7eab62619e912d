"""Hands live pictures to viewers: a sink that wants drawn pictures only while somebody looks."""

from __future__ import annotations

import time
from contextlib import suppress

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.records import Image, Step
from relaytrack.pipeline.render.jpeg import SEEN_LIVE, jpeg
from relaytrack.pipeline.server.live.audience import AskedPicture, Audience, answer
from relaytrack.pipeline.server.live.fragments import Fragment, FragmentEncoder
from relaytrack.pipeline.server.live.viewer import Codec, Packet, PacketQueue, wake


class LiveHub(Audience):
    """The sink. Each camera is encoded once per codec, whoever looks, and not at all while nobody does."""

    name = "site-live"
    on_error = "resume"

    def __init__(self) -> None:
        super().__init__()
        self._encoders: dict[str, FragmentEncoder] = {}
        self._wanted = self._plain = False

    @property
    def needs_drawn(self) -> bool:
        """Whether anybody looks."""
        return self._wanted

    @property
    def needs_pixels(self) -> bool:
        """Whether anybody wants a picture on which nothing is drawn."""
        return self._plain

    def _joined(self, viewer: PacketQueue) -> None:
        encoder = self._encoders.get(viewer.camera)
        if viewer.codec == "h264" and encoder is not None:
            encoder.want_key()
            if encoder.init is not None:
                viewer.offer(Packet("init", encoder.init, codec=encoder.codec))

    def _count(self) -> None:
        asked = [waiting for found in self._asked.values() for waiting in found]
        self._wanted = (bool(self._viewers) or any(waiting.drawn for waiting in asked)) and not self.closed
        self._plain = any(not waiting.drawn for waiting in asked) and not self.closed

    # the sink

    def write(self, step: Step) -> None:
        """Encode the step's pictures for those who look."""
        with self._changing:
            viewers = {camera: tuple(found) for camera, found in self._viewers.items()}
            asked = {camera: tuple(found) for camera, found in self._asked.items()}
        for camera in [camera for camera in self._encoders if not _any(viewers.get(camera, ()), "h264")]:
            self._drop(camera)
        for tracks in step:
            camera = tracks.frame.camera
            plain = tuple(waiting for waiting in asked.get(camera, ()) if not waiting.drawn)
            if plain and camera in step.images:
                answer(plain, jpeg(step.images[camera], SEEN_LIVE))
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

    def _send_jpeg(
        self, image: Image, epoch: float, viewers: tuple[PacketQueue, ...], asked: tuple[AskedPicture, ...]
    ) -> None:
        data = jpeg(image, SEEN_LIVE)
        self.encoded += 1
        packet = Packet("frame", data, epoch)
        looking = [viewer for viewer in viewers if viewer.codec == "jpeg"]
        for viewer in looking:
            viewer.offer(packet)
        wake(looking)
        answer(asked, data)

    def _send_video(
        self, camera: str, image: Image, moment: float, epoch: float, viewers: tuple[PacketQueue, ...]
    ) -> None:
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

    def resume(self) -> None:
        """After a failure: every video begins anew with its next picture."""
        for camera in list(self._encoders):
            with suppress(Exception):  # of the encoder that failed
                self._drop(camera)

    def camera_added(self, camera: CameraConfig) -> None:
        """Nothing to do before its first picture."""

    def camera_removed(self, name: str) -> None:
        """Its viewers are told that nothing more comes."""
        self._drop(name)
        self.end_camera(name)


def _any(viewers: tuple[PacketQueue, ...], codec: Codec) -> bool:
    return any(viewer.codec == codec for viewer in viewers)
