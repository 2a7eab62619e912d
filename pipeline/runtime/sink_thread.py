"""One sink on a thread of its own: its bounded queue, and what happens while that is full or the sink fails."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from relaytrack.pipeline.backoff import Backoff
from relaytrack.pipeline.config.urls import redact_url
from relaytrack.pipeline.errors import RelayTrackError, SinkError
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.sinks.base import OnError, ResumedSink, Sink, WhenFull

LOG = logging.getLogger("relaytrack.sinks")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between tries of a sink that is tried again

SinkState = Literal["running", "retrying", "disabled", "closed"]


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How a sink is doing.

    Attributes:
        state: "running"; "retrying" after a failure; "disabled", left out for good; "closed".
        written: steps that it took; dropped: steps that it never got; waiting: steps in its queue.
        seconds: time spent in it.
        error: its last failure in one line, without passwords; None while all is well.
    """

    state: SinkState
    written: int
    dropped: int
    waiting: int
    seconds: float
    error: str | None


@dataclass(frozen=True, slots=True)
class AwaitedCall:
    """A call of a sink that somebody waits for, also where the sink is switched off before; it raises nothing."""

    call: Callable[[], None]

    def __call__(self) -> None:
        """Make it."""
        self.call()


class SinkThread:
    """One sink with its queue and its thread.

    Args:
        name: what messages call the sink.
        sink: the sink.
        when_full: what to do while the queue is full.
        on_error: what to do when the sink fails.
        room: steps that wait at the most.
        fail: told of the failure of a sink whose policy is `fail`.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        when_full: WhenFull,
        on_error: OnError,
        room: int,
        fail: Callable[[RelayTrackError], None],
    ) -> None:
        self.name, self.sink, self.when_full = name, sink, when_full
        self._on_error, self._room, self._fail = on_error, room, fail
        self._queue: deque[Step | Callable[[], None]] = deque()
        self._steps = 0  # of the queue
        self._changed = threading.Condition()
        self._ending = self._over = self._disabled = self._failing = False
        self._hurry = threading.Event()
        self._written = self._dropped = 0
        self._seconds = 0.0
        self._error: str | None = None
        self._backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, None)
        self._thread = threading.Thread(target=self._run, name=f"sink-{name}", daemon=True)

    def start(self) -> None:
        """Begin to take steps."""
        self._thread.start()

    @property
    def open(self) -> bool:
        """Whether it still takes steps."""
        return not (self._ending or self._disabled or self._over)

    def wants(self, what: Literal["needs_pixels", "needs_drawn"]) -> bool:
        """Whether the sink asks for pictures of this kind now; one that cannot say so has failed."""
        try:
            return bool(getattr(self.sink, what, False))
        except Exception as error:
            self._failed(error)
            return False

    def put(self, step: Step, stop: threading.Event, patience: float) -> None:
        """Queue a step; one that blocks waits for room, and `patience` seconds at the most once `stop` is set."""
        with self._changed:
            until: float | None = None
            while self.when_full == "block" and self._steps >= self._room and self.open:
                if stop.is_set():
                    until = time.monotonic() + patience if until is None else until
                    if time.monotonic() >= until:
                        break
                self._changed.wait(0.1)
            if not self.open:
                self._dropped += self._disabled
                return
            if self._steps >= self._room:
                del self._queue[next(place for place, item in enumerate(self._queue) if isinstance(item, Step))]
                self._steps -= 1
                self._dropped += 1
            self._queue.append(step)
            self._steps += 1
            self._changed.notify_all()

    def tell(self, news: Callable[[], None]) -> bool:
        """Queue a call of the sink, in order with the steps; whether it will be made."""
        with self._changed:
            if self.open:
                self._queue.append(news)
                self._changed.notify_all()
            return self.open

    def end(self) -> None:
        """Take no more steps; those that wait are still written."""
        with self._changed:
            self._ending = True
            self._hurry.set()
            self._changed.notify_all()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def join(self, timeout: float, *, quiet: bool = False) -> None:
        """Wait for the thread's end; warns unless `quiet` if that takes longer."""
        self._thread.join(timeout)
        if self._thread.is_alive() and not quiet:
            LOG.warning("sink %s did not end in time; it is left behind", self.name)

    def status(self) -> SinkStatus:
        """How the sink is doing."""
        with self._changed:
            state: SinkState = "running"
            if self._disabled:
                state = "disabled"
            elif self._over:
                state = "closed"
            elif self._failing:
                state = "retrying"
            return SinkStatus(state, self._written, self._dropped, self._steps, round(self._seconds, 4), self._error)

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                if isinstance(item, AwaitedCall):
                    item()
                else:
                    self._handle(item)
            try:
                self.sink.close()
            except BaseException as error:
                self._failed(error, again=False)
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()  # whatever ended the thread, nobody waits for room any more

    def _next(self) -> Step | Callable[[], None] | None:
        with self._changed:
            while not self._queue and not self._ending and not self._disabled:
                self._changed.wait()
            if not self._queue:
                return None
            item = self._queue.popleft()
            self._steps -= isinstance(item, Step)
            self._changed.notify_all()
            return item

    def _handle(self, item: Step | Callable[[], None]) -> None:
        """Give the sink a step or news. After a failure, pause and try again where its policy says so."""
        while True:
            start = time.perf_counter()
            try:
                self.sink.write(item) if isinstance(item, Step) else item()
            except BaseException as error:  # sys.exit() in a sink is a failure of that sink, too
                self._failed(error)
            else:
                with self._changed:
                    self._seconds += time.perf_counter() - start
                    self._written += isinstance(item, Step)
                    if self._failing:
                        LOG.warning("sink %s works again", self.name)
                    self._failing, self._error = False, None
                self._backoff.reset()
                return
            if self._on_error not in ("retry", "resume"):
                return
            if self._on_error == "resume" and isinstance(self.sink, ResumedSink):
                try:
                    self.sink.resume()
                except BaseException as error:
                    self._failed(error)
            if self._ending or self._hurry.wait(self._backoff.pause()):
                self._disable()  # the run is over: there is no time for further tries
                return
            if self._on_error == "resume":
                with self._changed:
                    self._dropped += isinstance(item, Step)
                return

    def _failed(self, error: BaseException, *, again: bool = True) -> None:
        """Note a failure and say so; `again`: a sink whose policy is to be tried again is."""
        known = isinstance(error, RelayTrackError)
        text = str(error) if known else f"sink {self.name}: {type(error).__name__}: {error}"
        text = " ".join(redact_url(text).split())
        with self._changed:
            first = not self._failing
            self._failing, self._error = True, text
        if self._on_error == "fail":
            self._fail(error if isinstance(error, RelayTrackError) else SinkError(text))
            self._disable()
        elif self._on_error == "disable":
            if not self._disabled:  # its close() may fail as well
                LOG.error("%s; it is switched off", text)
            self._disable()
        elif not again:
            LOG.error("%s; it could not be closed", text)
        elif first:
            LOG.warning("%s; it is tried again", text)

    def _disable(self) -> None:
        with self._changed:
            self._disabled = True
            self._dropped += self._steps
            self._steps = 0
            self._queue = deque(item for item in self._queue if isinstance(item, AwaitedCall))
            self._changed.notify_all()
