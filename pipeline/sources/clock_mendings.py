"""What was mended of a recording's clock: pictures with wrong stamps, and jumps that were closed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump that was closed.

    Attributes:
        index: at which picture, counted from 1.
        seconds: how far; below 0 for a jump back.
        origin: seconds on the source's own clock at the recording's second 0, as it was before the jump.
    """

    index: int
    seconds: float
    origin: float


class Mendings:
    """Counts what was mended; its memory does not grow with that."""

    def __init__(self) -> None:
        self._wrong, self._first_wrong = 0, 0  # how many pictures, and the first one
        self._jumps = 0
        self._first_jump: Jump | None = None
        self._last_jumps: deque[Jump] = deque(maxlen=2)

    @property
    def last_jump(self) -> Jump | None:
        """The last jump that was closed and not taken back; None where there is none or it is forgotten."""
        return self._last_jumps[-1] if self._last_jumps else None

    @property
    def before_last_jump(self) -> int:
        """How many pictures came between the jump before the last one, or the first picture, and the last jump."""
        earlier = self._last_jumps[0].index if len(self._last_jumps) > 1 else 1
        return self._last_jumps[-1].index - earlier if self._last_jumps else 0

    def wrong(self, index: int, count: int = 1) -> None:
        """`count` pictures from `index` on have wrong stamps."""
        self._first_wrong = self._first_wrong if self._wrong else index
        self._wrong += count

    def closed(self, jump: Jump) -> None:
        """A jump was closed."""
        self._first_jump = self._first_jump or jump
        self._last_jumps.append(jump)
        self._jumps += 1

    def was_no_jump(self, index: int) -> None:
        """The clock goes on at picture `index` as before the last jump: only the pictures between had wrong stamps."""
        jump = self._last_jumps.pop()
        self._jumps -= 1
        self._first_jump = self._first_jump if self._jumps else None
        self.wrong(jump.index, index - jump.index)

    @property
    def note(self) -> str | None:
        """What was mended, for a warning; None if nothing was."""
        said = []
        if self._wrong:
            count, wrong = self._wrong, self._first_wrong
            said.append(
                f"frame {wrong} has a wrong time stamp, it alone was moved to where it belongs"
                if count == 1
                else f"{count} frames have wrong time stamps (first frame {wrong}), they alone were moved"
            )
        first = self._first_jump
        if first is not None:
            more = f" (the first of {self._jumps} jumps)" if self._jumps > 1 else ""
            said.append(
                f"its clock jumps by {first.seconds:,.1f} s at frame {first.index}{more}: closed, as if no time had "
                "passed"
            )
        return "; ".join(said) or None
