"""The live pictures of a machine's cameras: made there, after people were hidden, for those who look at the page.

They never queue up: each camera's viewer on the page's side keeps the newest pictures only, and when nobody asks any
more, nothing is drawn or encoded.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from relaytrack.pipeline.cluster.live_packets import PICTURE, VIDEO, Wanted, packet_bytes, picture_bytes
from relaytrack.pipeline.cluster.outbox import Message, Outbox
from relaytrack.pipeline.server.live.audience import AskedPicture
from relaytrack.pipeline.server.live.hub import LiveHub
from relaytrack.pipeline.server.live.viewer import Codec, PacketQueue

_PATIENCE = 3.0  # seconds without a word from the page's machine after which nobody looks


class PulledViewer(PacketQueue):
    """All who look at one camera on the page, as its machine sees them."""

    def __init__(self, camera: str, codec: Codec, outbox: Outbox) -> None:
        super().__init__(camera, codec)
        self._outbox = outbox

    def wake(self) -> None:
        """Tell the outbox that a packet waits."""
        self._outbox.ring()


class _OnePicture(AskedPicture):
    """Whoever waits for a picture on the page; it is sent once."""

    def __init__(self, camera: str, drawn: bool, outbox: Outbox) -> None:
        super().__init__(camera, drawn, self._send)
        self._outbox, self._sent = outbox, False

    def _send(self, data: bytes) -> None:
        if not self._sent:
            self._sent = True
            self._outbox.put(PICTURE, picture_bytes(self.camera, self.drawn, data))


class NodeLive(LiveHub):
    """Makes the live pictures that somebody looks at; a sink of the machine's engine.

    Args:
        outbox: where pictures go.
    """

    def __init__(self, outbox: Outbox) -> None:
        super().__init__()
        self._outbox = outbox
        self._watching: dict[tuple[str, Codec], PulledViewer] = {}
        self._waiting: dict[tuple[str, bool, int], _OnePicture] = {}
        self._heard = time.monotonic()

    @property
    def needs_drawn(self) -> bool:
        """Whether anybody looks."""
        return super().needs_drawn and self._is_asked()

    @property
    def needs_pixels(self) -> bool:
        """Whether anybody wants a picture on which nothing is drawn."""
        return super().needs_pixels and self._is_asked()

    def _is_asked(self) -> bool:
        return time.monotonic() < self._heard + _PATIENCE

    def want(self, wanted: Wanted, cameras: Collection[str]) -> None:
        """Send what is looked at from now on.

        Args:
            wanted: on the page, of all cameras.
            cameras: those of this engine.
        """
        self._heard = time.monotonic()
        videos = {key for key in wanted.videos if key[0] in cameras}
        for key in [key for key in self._watching if key not in videos]:
            self.leave(self._watching.pop(key))
        for key in videos - self._watching.keys():
            self._watching[key] = PulledViewer(*key, self._outbox)
            self.join(self._watching[key])
        pictures = {(*key, number) for key, number in wanted.pictures.items() if key[0] in cameras}
        for one in [one for one in self._waiting if one not in pictures]:
            self.withdraw(self._waiting.pop(one))
        for one in pictures - self._waiting.keys():
            self._waiting[one] = _OnePicture(one[0], one[1], self._outbox)
            self.ask(self._waiting[one])

    def next(self) -> Message | None:
        """The next picture that waits, of each camera in turn."""
        for key, viewer in list(self._watching.items()):
            packet = viewer.take()
            if packet is not None:
                self._watching[key] = self._watching.pop(key)  # last in the next turn
                return VIDEO, packet_bytes(viewer.camera, viewer.codec, packet)
        return None
