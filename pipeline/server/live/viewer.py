"""One viewer of a camera: what waits for it, and what it loses when it is slow."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

Codec = Literal["jpeg", "h264"]
_HEAD = struct.Struct(">d")
_WAITING_PICTURES = 2
_WAITING_FRAGMENTS = 60


@dataclass(frozen=True, slots=True)
class Packet:
    """One message to a viewer.

    Attributes:
        kind: "init" begins a video (what comes before no longer matters), "frame" is a picture or a fragment.
        data: JPEG, or a piece of fragmented mp4; codec: for "init", as browsers name it.
        epoch: seconds since 1970 at which the picture was decoded.
        key: whether a viewer can begin with it.
        message: the bytes that are sent: `epoch` (big-endian float64) and `data`, put together once for all viewers.
    """

    kind: Literal["init", "frame"]
    data: bytes
    epoch: float = 0.0
    codec: str = ""
    key: bool = True
    message: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", _HEAD.pack(self.epoch) + self.data)


class PacketQueue:
    """What waits for somebody who looks at one camera; a slow viewer loses pictures and delays nobody.

    Attributes:
        lost: pictures that gave way; closed: whether nothing more comes.
    """

    def __init__(self, camera: str, codec: Codec) -> None:
        self.camera, self.codec = camera, codec
        self.lost = 0
        self._packets: deque[Packet] = deque()
        self._changing = threading.Lock()
        self._from_key = True  # wait for a key frame
        self.closed = False

    def offer(self, packet: Packet) -> None:
        """Queue a packet; called from the sink's thread, which wakes all viewers at once afterwards (`wake`)."""
        with self._changing:
            if packet.kind == "init":
                self._packets.clear()
                self._from_key = True
            elif self._from_key and not packet.key:
                return
            elif packet.kind == "frame":
                self._from_key = False
                limit = _WAITING_FRAGMENTS if self.codec == "h264" else _WAITING_PICTURES
                if len(self._packets) >= limit:
                    self._give_way(packet)
            if not (self._from_key and packet.kind == "frame"):
                self._packets.append(packet)

    def _give_way(self, packet: Packet) -> None:
        """Drop what waits: a JPEG viewer goes on with the newest, a video viewer with the next key frame."""
        kept = [waiting for waiting in self._packets if waiting.kind == "init"]
        self.lost += len(self._packets) - len(kept)
        self._packets = deque(kept)
        self._from_key = self.codec == "h264" and not packet.key

    def take(self) -> Packet | None:
        """The next packet, None where none waits."""
        with self._changing:
            return self._packets.popleft() if self._packets else None

    def end(self) -> None:
        """Nothing more comes."""
        self.closed = True
        wake([self])

    def wake(self) -> None:
        """Something waits, or the end has come; for those who are not woken by an event loop."""


class Viewer(PacketQueue):
    """Somebody who looks at one camera, in an event loop."""

    def __init__(self, camera: str, codec: Codec, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(camera, codec)
        self.loop = loop
        self.there = asyncio.Event()

    async def next(self, timeout: float) -> Packet | None:
        """The next packet; None after `timeout` seconds without one, or at the end (`closed`)."""
        while not self.closed:
            with self._changing:
                if self._packets:
                    return self._packets.popleft()
                self.there.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self.there.wait()
            except TimeoutError:
                return None
        return None


def wake(queues: Sequence[PacketQueue]) -> None:
    """Tell viewers that something waits for them; one call into an event loop for all of its viewers."""
    viewers = [one for one in queues if isinstance(one, Viewer)]
    for one in queues:
        one.wake()
    for loop in {viewer.loop for viewer in viewers}:
        there = [viewer.there for viewer in viewers if viewer.loop is loop]
        with suppress(RuntimeError):  # the loop is closed: nobody looks any more
            loop.call_soon_threadsafe(_set, there)


def _set(events: Sequence[asyncio.Event]) -> None:
    for event in events:
        event.set()
