"""What a program of the cluster has ready for the machine that serves the site: bounded, and fetched piece by piece."""

from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Callable

ROOM = 512
"""Messages that wait at the most; the oldest give way to newer ones."""
PIECE = 60_000
"""Bytes that are handed out at once: Ray keeps answers below 100 kB out of its object store."""
_HEAD = struct.Struct("<BI")  # kind, bytes

Message = tuple[int, bytes]
"""A kind, 0 to 255, and what it says."""


class Outbox:
    """Takes messages from any thread, and hands them out as one stream of bytes, in numbered pieces.

    Args:
        room: messages that wait at the most.

    Attributes:
        dropped: messages that were never fetched.
        more: asked for a further message when none waits; for what must not queue up, as live pictures.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._waiting: deque[Message] = deque()
        self._room = room
        self._rest = memoryview(b"")
        self._changed = threading.Condition()
        self._piece = (0, b"")  # the last one that was handed out, and its number
        self.dropped = 0
        self.more: Callable[[], Message | None] = lambda: None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, kind: int, data: bytes) -> None:
        """Add a message."""
        with self._changed:
            if len(self._waiting) >= self._room:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append((kind, data))
            self._changed.notify_all()

    def ring(self) -> None:
        """Wake whoever reads the stream: `more` has a message."""
        with self._changed:
            self._changed.notify_all()

    def piece(self, after: int, timeout: float, most: int = PIECE) -> tuple[int, bytes]:
        """The piece of the stream that follows on number `after`, as soon as there is something.

        The last piece is kept. Who asks for it once more has not got it, since an answer may be lost on its way.

        Args:
            after: number of the last piece that has arrived; 0 before the first.
            timeout: seconds to wait.
            most: bytes at the most.

        Returns:
            The piece's number, from 1 on, and its bytes; `after` and b"" where nothing comes in time.
        """
        until = time.monotonic() + timeout
        with self._changed:
            while True:
                number, data = self._piece
                if after < number:  # handed out before, also to somebody else while this waited
                    return number, data
                data = self._fill(most)
                if data:
                    self._piece = number + 1, data
                    return self._piece
                left = until - time.monotonic()
                if left <= 0:
                    return number, b""
                self._changed.wait(left)

    def _fill(self, most: int) -> bytes:
        parts: list[bytes] = []
        while most > 0:
            if not self._rest:
                message = self._waiting.popleft() if self._waiting else self.more()
                if message is None:
                    break
                self._rest = memoryview(_HEAD.pack(message[0], len(message[1])) + message[1])
            parts.append(bytes(self._rest[:most]))
            self._rest = self._rest[most:]
            most -= len(parts[-1])
        return b"".join(parts)


class Inbox:
    """The other end: bytes in, whole messages out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes of the stream; the messages that are complete with them."""
        found: list[Message] = []
        data, at = self._rest + data, 0
        while len(data) - at >= _HEAD.size:
            kind, size = _HEAD.unpack_from(data, at)
            if len(data) - at - _HEAD.size < size:
                break
            at += _HEAD.size + size
            found.append((kind, data[at - size : at]))
        self._rest = data[at:]
        return found
