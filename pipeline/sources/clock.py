"""The clock of a recording: time stamps become seconds from the first picture, wrong stamps are found and mended.

A wrong stamp is one that its neighbours contradict. When a stamp jumps back or far ahead, the pictures that follow
decide. If most of them go on from the pictures before it, that stamp alone is wrong and is moved; if most go on from
the new stamp, the clock itself jumped. A jump back, or one further ahead than `longest_gap`
(recordings that were joined, a clock that ran over), is closed; a shorter one is a pause and stays, unless the
recording comes back from it later. A clock that comes back to where it was before a jump goes on as before it: only the
pictures between had wrong stamps. The first picture has only those after it as witnesses, the last one only those
before it.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from relaytrack.pipeline.sources.clock_mendings import Jump, Mendings
from relaytrack.pipeline.sources.stretches import StampStretch, comes_back, read_stretches

T = TypeVar("T")

_LEAST = 1e-9  # seconds from one picture to the next
_LOOK_AHEAD = 12  # pictures that decide about a strange stamp; they wait decoded meanwhile
_USUAL = 15  # intervals whose median is the usual one
_STRANGE = 2.0  # seconds ahead from which on a stamp is looked at
_STRANGE_STEPS = 10.0  # or that many usual intervals
_REGULAR = 5  # intervals that show how regular a clock is
_HICCUP = 2.5  # usual intervals; stamps that are off by less are merely out of order


@dataclass(frozen=True, slots=True)
class Stamped(Generic[T]):
    """A picture with its time stamp: `index` from 1, `stamp` in seconds on the source's own clock or None."""

    index: int
    stamp: float | None
    raw: T


@dataclass(frozen=True, slots=True)
class Picture(Generic[T]):
    """One decoded picture, not yet converted: `index` from 1, `time` in seconds from the first picture."""

    index: int
    time: float
    raw: T


class RecordedClock:
    """Gives the pictures of one recording their times, strictly ascending from 0.

    A picture without a stamp is put one nominal interval after the one before.

    Attributes:
        first_stamp: the first stamp of all, seconds on the source's own clock; None before it.
    """

    def __init__(
        self, fps: float | None, longest_gap: float, all_stamps: Callable[[], Iterable[float]] | None = None
    ) -> None:
        """Derive missing times from `fps` (frames per second, 25 where it is unknown).

        Args:
            fps: nominal rate.
            longest_gap: seconds; a longer jump ahead is no pause but a broken clock.
            all_stamps: reads the stamps of the whole recording without its pictures; called once, at the first jump
                that looks like a pause. None where that cannot be done: every such jump is a pause then.
        """
        self.first_stamp: float | None = None
        self._nominal = 1.0 / (fps or 25.0)
        self._longest_gap = longest_gap
        self._steps: deque[float] = deque(maxlen=_USUAL)
        self._origin: float | None = None
        self._last: float | None = None
        self._mended = Mendings()
        self._all_stamps = all_stamps
        self._stretches: list[StampStretch] | None = None

    @property
    def note(self) -> str | None:
        """What was mended, for a warning; None if nothing was."""
        return self._mended.note

    def pictures(self, source: Iterable[Stamped[T]]) -> Iterator[Picture[T]]:
        """Give every picture of `source` its time; only where a stamp is strange are some read ahead.

        Raises:
            Exception: what `source` raises, after the pictures before it.
        """
        given = iter(source)
        waiting: deque[Stamped[T]] = deque()
        failure: Exception | None = None
        while True:
            if not waiting:
                if failure is not None:
                    raise failure
                try:
                    waiting.append(next(given))
                except StopIteration:
                    return
            stamped = waiting.popleft()
            time = self._plain(stamped.stamp)
            if time is None:
                while len(waiting) < _LOOK_AHEAD and failure is None:
                    try:
                        waiting.append(next(given))
                    except StopIteration:
                        break
                    except Exception as error:  # the pictures that were read before it come first
                        failure = error
                assert stamped.stamp is not None
                time = self._judge(stamped.index, stamped.stamp, [s.stamp for s in waiting if s.stamp is not None])
            if self._last is not None:
                self._steps.append(time - self._last)
            self._last = time
            yield Picture(stamped.index, time, stamped.raw)

    @property
    def _usual(self) -> float:
        return max(_LEAST, statistics.median(self._steps)) if self._steps else self._nominal

    def _after(self, step: float) -> float:
        """The time that is `step` seconds, or at least the smallest number, behind the last picture's."""
        assert self._last is not None
        return max(self._last + step, math.nextafter(self._last, math.inf))

    @property
    def _limit(self) -> float:
        """Seconds to the next picture up to which a stamp is in no way strange."""
        return max(_STRANGE, _STRANGE_STEPS * self._usual)

    def _plain(self, stamp: float | None) -> float | None:
        """The time of a stamp that is in no way strange, else None."""
        if self.first_stamp is None:
            self.first_stamp = stamp
        if self._last is None:
            self._origin = stamp
            return 0.0
        if stamp is None:
            return self._last + self._nominal
        if self._origin is None:  # the first stamp of all continues the derived times
            self._origin = stamp - (self._last + self._nominal)
            return self._last + self._nominal
        time = stamp - self._origin
        return time if 0 < time - self._last <= self._limit else None

    def _judge(self, index: int, stamp: float, following: Sequence[float]) -> float:
        """The time of a picture with a strange stamp, by the stamps that follow it."""
        assert self._origin is not None
        assert self._last is not None
        time, usual = stamp - self._origin, self._usual
        expected = self._after(usual)
        if time <= self._last and expected - time <= _HICCUP * usual:
            return self._between(following)
        stay = go = 0
        for steps, other in enumerate(following, 1):
            from_before = abs(other - self._origin - expected - steps * usual)
            from_here = abs(other - stamp - steps * usual)
            stay, go = stay + (from_before < from_here), go + (from_before >= from_here)
        if stay > go or (not following and len(self._steps) >= _REGULAR and abs(time - expected) > _STRANGE):
            self._mended.wrong(index)
            return self._between(following)
        if self._first_is_wrong(time - self._last, [stamp, *following]):
            self._mended.wrong(index - 1)
            self._origin = stamp - expected
            return expected
        returned = self._returned(index, stamp)
        if returned is not None:
            return returned
        if 0 < time - self._last <= self._longest_gap and not self._comes_back(index, expected):
            return time
        self._mended.closed(Jump(index, time - self._last, self._origin))
        self._origin = stamp - expected
        return expected

    def _returned(self, index: int, stamp: float) -> float | None:
        """The time of a picture whose stamp goes on as before the last jump: those between had wrong stamps."""
        assert self._last is not None
        jump = self._mended.last_jump
        if jump is None or index - jump.index >= self._mended.before_last_jump:
            return None
        time = stamp - jump.origin
        if not 0 < time - self._last <= self._limit:
            return None
        self._mended.was_no_jump(index)
        self._origin = jump.origin
        return time

    def _comes_back(self, index: int, expected: float) -> bool:
        """Whether the recording will come back from a jump ahead at a picture that is expected at a time."""
        assert self._origin is not None
        if self._all_stamps is None:
            return False
        if self._stretches is None:
            self._stretches = read_stretches(self._all_stamps(), self._limit)
        return comes_back(self._stretches, index - 1, expected + self._origin, self._usual, self._limit)

    def _first_is_wrong(self, jump: float, stamps: Sequence[float]) -> bool:
        """Whether the only picture so far has a stamp that the ones after it, which agree, contradict."""
        steps = [after - before for before, after in pairwise(stamps)]
        if self._steps or len(steps) < _REGULAR:
            return False
        return abs(jump) > max(_STRANGE, _STRANGE_STEPS * max(map(abs, steps)))

    def _between(self, following: Sequence[float]) -> float:
        """A time after the last picture and before the next one that lies after it."""
        assert self._origin is not None
        assert self._last is not None
        later = [step for other in following if (step := other - self._origin - self._last) > _LEAST]
        return self._after(min(self._usual, 0.5 * min(later, default=2 * self._usual)))
