"""The live pictures of a site whose cameras are followed elsewhere, for those who look at its page."""

from __future__ import annotations

from relaytrack.pipeline.cluster.live_packets import PICTURE, VIDEO, Wanted, packet_of, picture_of
from relaytrack.pipeline.cluster.outbox import Message
from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.server.live.audience import Audience, answer
from relaytrack.pipeline.server.live.viewer import Packet, PacketQueue, wake


class FarLive(Audience):
    """Says what is looked at, and hands on what comes. It is a sink only to hear of cameras that leave."""

    name = "site-live"

    def __init__(self) -> None:
        super().__init__()
        self._begun: dict[str, Packet] = {}  # of each camera's video, its first bytes

    def wanted(self) -> Wanted:
        """What somebody looks at now."""
        with self._changing:
            if self.closed:
                return Wanted()
            videos = {(viewer.camera, viewer.codec) for found in self._viewers.values() for viewer in found}
            pictures = {(one.camera, one.drawn): one.number for found in self._asked.values() for one in found}
        return Wanted(frozenset(videos), pictures)

    def take(self, message: Message) -> None:
        """Hand on what came from a camera's machine."""
        kind, data = message
        if kind == PICTURE:
            camera, drawn, picture = picture_of(data)
            with self._changing:
                asked = tuple(one for one in self._asked.get(camera, ()) if one.drawn == drawn)
            answer(asked, picture)
        elif kind == VIDEO:
            camera, codec, packet = packet_of(data)
            with self._changing:
                if packet.kind == "init":
                    self._begun[camera] = packet
                else:
                    self.encoded += 1
                looking = [viewer for viewer in self._viewers.get(camera, ()) if viewer.codec == codec]
                for viewer in looking:
                    viewer.offer(packet)
            wake(looking)

    def _joined(self, viewer: PacketQueue) -> None:
        if viewer.codec == "h264" and viewer.camera in self._begun:
            viewer.offer(self._begun[viewer.camera])

    # the sink

    def write(self, step: Step) -> None:
        """Steps come without pictures."""

    def camera_added(self, camera: CameraConfig) -> None:
        """Nothing to do before its first picture."""

    def camera_removed(self, name: str) -> None:
        """Its viewers are told that nothing more comes."""
        with self._changing:
            self._begun.pop(name, None)
        self.end_camera(name)
