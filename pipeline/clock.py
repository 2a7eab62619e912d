"""The run's one clock: seconds since its start, and what they mean as dates on any host."""

from __future__ import annotations

import time
from collections.abc import Callable


def host_time() -> float:
    """Seconds since 1970 by this computer's clock."""
    return time.time()


_PROGRAM = time.time() - time.monotonic()


def steady_time() -> float:
    """Seconds since 1970 by this computer's clock as it stood when the program began.

    It decides what is old enough to be deleted: a clock that is set wrong meanwhile deletes nothing.
    """
    return _PROGRAM + time.monotonic()


class RunClock:
    """Relates the run's time to this host's monotonic clock and to seconds since 1970.

    The run's time 0 is `zero`, seconds since 1970 on the reference clock; several hosts that share `zero` share the
    run's time. A host whose clock is wrong by a known `skew` corrects for it. Within a host, time goes by its
    monotonic clock, so that setting the host's clock while the run goes on changes nothing.

    Args:
        zero: the run's time 0; None begins a run now.
        skew: seconds by which this host's clock is ahead of the reference clock.
        least: the run's time goes on from here at the earliest: where an earlier start was, whatever the host's clock
            says since.
        now: the host's clock, seconds since 1970.
        tick: the host's monotonic clock.

    Attributes:
        zero: as above.
        behind: seconds by which the host's clock is behind `least`.
        started: `tick()` at the run's time 0 (on this host, possibly before it was switched on).
    """

    def __init__(
        self,
        *,
        zero: float | None = None,
        skew: float = 0.0,
        least: float | None = None,
        now: Callable[[], float] = host_time,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        moment, reference = tick(), now() - skew
        self.zero = reference if zero is None else zero
        passed = reference - self.zero
        self.behind = 0.0 if least is None else max(0.0, least - passed)
        self.started = moment - passed - self.behind
        self._tick = tick
        self._host, self._skew = now, skew

    def now(self) -> float:
        """The run's time now, seconds."""
        return self._tick() - self.started

    def ahead(self) -> float:
        """Seconds by which this host's clock was set forward since the run's clock began; below 0: back."""
        return self._host() - self._skew - self.epoch(self.now()) + self.behind

    def seconds(self, arrived: float) -> float:
        """The run's time of a moment of this host's monotonic clock."""
        return arrived - self.started

    def epoch(self, seconds: float) -> float:
        """Seconds since 1970 on the reference clock at a time of the run."""
        return self.zero + seconds
