"""When the pictures of a live stream are due that comes in pieces (HLS): many arrive at once, then none for seconds."""

from __future__ import annotations

_JUMP = 10.0  # seconds between the stamps of two pictures that are no pause
_REPEATED = 60.0  # seconds that a playlist goes back at the most


class Pace:
    """Lets pictures follow each other as their stamps say, from the moment of the first one.

    A picture that comes too late is due at once, and those after it follow it. It may be used over several connections
    to one stream, see `begin`.
    """

    def __init__(self) -> None:
        """Nothing was seen so far."""
        self._zero: float | None = None  # the clock's reading at stamp 0
        self._last: float | None = None
        self._seen_to: float | None = None

    def begin(self) -> None:
        """A new connection begins: what was seen over the last one is left out."""
        self._zero = None
        self._seen_to = self._last

    def is_seen(self, stamp: float) -> bool:
        """Whether a picture came already: a server offers the last pieces of a stream again, also when it has ended."""
        if self._seen_to is not None and not self._seen_to - _REPEATED <= stamp <= self._seen_to:
            self._seen_to = None
        return self._seen_to is not None

    def due(self, stamp: float, now: float) -> float:
        """When a picture is to be handed out, on the clock of `now`; both in seconds."""
        jumped = self._last is not None and not 0 <= stamp - self._last <= _JUMP
        if self._zero is None or jumped or self._zero + stamp < now:
            self._zero = now - stamp
        self._last = stamp
        return self._zero + stamp
