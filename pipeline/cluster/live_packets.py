"""Live pictures on their way from the machine of a camera to the one that serves the site."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field

from relaytrack.pipeline.server.live.viewer import Codec, Packet

VIDEO = 1
"""Kind of the messages with a picture, or a piece of video, for those who look."""
PICTURE = 2
"""Kind of the messages with one picture for whoever asked for one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks at.

    Attributes:
        videos: cameras and codecs.
        pictures: cameras of which one picture is wanted, drawn or plain, and the number of who asked last; another
            number asks for another picture.
    """

    videos: frozenset[tuple[str, Codec]] = frozenset()
    pictures: Mapping[tuple[str, bool], int] = field(default_factory=dict)


def packet_bytes(camera: str, codec: Codec, packet: Packet) -> bytes:
    """A packet as bytes."""
    return pickle.dumps((camera, codec, packet.kind, packet.data, packet.epoch, packet.codec, packet.key))


def packet_of(data: bytes) -> tuple[str, Codec, Packet]:
    """Camera, codec and packet, as `packet_bytes` took them."""
    camera, codec, kind, content, epoch, named, key = pickle.loads(data)
    return camera, codec, Packet(kind, content, epoch, named, key)


def picture_bytes(camera: str, drawn: bool, picture: bytes) -> bytes:
    """One picture as bytes."""
    return pickle.dumps((camera, drawn, picture))


def picture_of(data: bytes) -> tuple[str, bool, bytes]:
    """Camera, whether it is drawn, and the picture, as `picture_bytes` took them."""
    camera, drawn, picture = pickle.loads(data)
    return camera, drawn, picture
