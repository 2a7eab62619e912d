"""HTTP Live Streaming (RFC 8216) of a camera: the pieces of the live video as segments, for iPhones and VLC.

Nothing is encoded anew: a reader of the camera's live video collects its pieces. It ends when nobody asks any more.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from relaytrack.pipeline.server.live.audience import Audience
from relaytrack.pipeline.server.live.fragments import KEY_EVERY

SEGMENT = 2.0
"""Seconds of a segment at the least; it ends with the next key frame."""
_KEPT = 8  # segments that can be asked for
_LISTED = 5
_PATIENCE = 20.0  # seconds without a request after which the collecting ends


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece that a player can begin with.

    Attributes:
        number: counts on; head: the number of the header that it belongs to.
        seconds: how long it is; epoch: its first picture, seconds since 1970.
        data: fragments of mp4.
    """

    number: int
    head: int
    seconds: float
    epoch: float
    data: bytes


@dataclass(slots=True)
class _Channel:
    """What is collected of one camera."""

    asked: float
    number: int  # of the next segment
    head: int  # of the newest header
    heads: dict[int, bytes] = field(default_factory=dict)
    segments: deque[Segment] = field(default_factory=lambda: deque(maxlen=_KEPT))
    there: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    waiting: int = 0  # who waits for the first segment


class HlsStreams:
    """The cameras that somebody looks at in this way.

    Args:
        hub: where the live video comes from.
        clock: seconds that only grow.
    """

    def __init__(self, hub: Audience, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub, self._clock = hub, clock
        self._channels: dict[str, _Channel] = {}
        # Numbers never come again, also after a restart: players keep pieces by their address.
        self._first = round(time.time())
        self._next: dict[str, tuple[int, int]] = {}

    async def playlist(self, camera: str, timeout: float = 10.0) -> str | None:
        """The list of the newest segments; None where the camera gives no pictures in time."""
        channel = self._open(camera)
        if not channel.segments:
            channel.waiting += 1
            try:
                await asyncio.wait_for(channel.there.wait(), timeout)
            except TimeoutError:
                return None
            finally:
                channel.waiting -= 1
                channel.asked = self._clock()
        return playlist_of(list(channel.segments)[-_LISTED:], camera) if channel.segments else None

    def segment(self, camera: str, number: int) -> bytes | None:
        """A segment; None where it is gone or was never there."""
        channel = self._asked(camera)
        return next((one.data for one in channel.segments if one.number == number), None) if channel else None

    def head(self, camera: str, number: int) -> bytes | None:
        """The header of segments."""
        channel = self._asked(camera)
        return channel.heads.get(number) if channel else None

    def _asked(self, camera: str) -> _Channel | None:
        channel = self._channels.get(camera)
        if channel is not None:
            channel.asked = self._clock()
        return channel

    def _open(self, camera: str) -> _Channel:
        channel = self._asked(camera)
        if channel is None:
            number, head = self._next.get(camera, (self._first, self._first))
            channel = self._channels[camera] = _Channel(self._clock(), number, head)
            channel.task = asyncio.create_task(self._collect(camera, channel))
        return channel

    async def _collect(self, camera: str, channel: _Channel) -> None:
        """Take the camera's pieces until nobody asks any more."""
        pieces: list[bytes] = []
        begun = 0.0
        try:
            with self._hub.watching(camera, "h264") as viewer:
                while not viewer.closed and (channel.waiting or self._clock() < channel.asked + _PATIENCE):
                    packet = await viewer.next(1.0)
                    if packet is None:
                        continue
                    if packet.kind == "init":  # another size, or begun anew
                        channel.heads = {
                            number: data for number, data in channel.heads.items() if number == channel.head
                        }
                        channel.head += 1
                        channel.heads[channel.head] = packet.data
                        pieces = []
                        continue
                    if packet.key and pieces and packet.epoch - begun >= SEGMENT:
                        whole = Segment(channel.number, channel.head, packet.epoch - begun, begun, b"".join(pieces))
                        channel.segments.append(whole)
                        channel.number += 1
                        channel.there.set()
                        pieces = []
                    if packet.key and not pieces:
                        begun = packet.epoch
                    if pieces or packet.key:
                        pieces.append(packet.data)
        finally:
            channel.there.set()
            if self._channels.get(camera) is channel:
                del self._channels[camera]
                self._next[camera] = channel.number, channel.head


def playlist_of(segments: list[Segment], camera: str) -> str:
    """The list as text; addresses are relative to `/live/`."""
    longest = max(SEGMENT + KEY_EVERY, *(one.seconds for one in segments))  # the same in every list, as players expect
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{math.ceil(longest)}"]
    lines += [f"#EXT-X-MEDIA-SEQUENCE:{segments[0].number}", f"#EXT-X-DISCONTINUITY-SEQUENCE:{segments[0].head}"]
    lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    head = None
    for one in segments:
        if one.head != head:
            lines += ["#EXT-X-DISCONTINUITY"] if head is not None else []
            lines.append(f'#EXT-X-MAP:URI="{camera}/head-{one.head}.mp4"')
            head = one.head
        lines += [f"#EXTINF:{one.seconds:.3f},", f"{camera}/{one.number}.m4s"]
    return "\n".join(lines) + "\n"
