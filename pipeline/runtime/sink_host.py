"""Hands every step to every sink, each on a thread of its own: a slow or broken sink troubles no other."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.config.urls import redact_url
from relaytrack.pipeline.errors import RelayTrackError, SinkError
from relaytrack.pipeline.records import NO_IMAGES, Images, Step
from relaytrack.pipeline.sinks.base import CameraSink, OnError, Sink, WhenFull

LOG = logging.getLogger("relaytrack.sinks")
QUEUE = 256
"""Steps that wait for a sink without pictures at the most."""
PICTURES = 8
"""The same for a sink with pictures, which hold memory."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between tries of a sink that is tried again
_CLOSE = 10.0  # seconds that a sink gets to end


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How a sink is doing.

    Attributes:
        state: "running"; "retrying" after a failure; "disabled", left out for good; "closed".
        written: steps that it took; dropped: steps that it never got; waiting: steps in its queue.
        seconds: time spent in it.
        error: its last failure in one line, without passwords; None while all is well.
    """

    state: Literal["running", "retrying", "disabled", "closed"]
    written: int
    dropped: int
    waiting: int
    seconds: float
    error: str | None


class Prepare(Protocol):
    """Adds pictures to a step, once for all sinks."""

    def __call__(self, step: Step, raw: Images, *, pixels: bool, drawn: bool) -> Step:
        """Return the step with `images` where `pixels` are wanted and with `drawn` where those are."""


class SinkHost:
    """Runs the sinks.

    `put` hands a step to every sink's bounded queue and returns; each sink's thread takes from its own. Pictures are
    prepared once for all sinks (people hidden first, so that no sink can see more), and a sink that does not declare
    that it needs them gets the step without.

    Args:
        prepare: adds the pictures to a step; None: steps are handed on as they come.
        when_full: for sinks that do not say it themselves.
        on_error: the same.
        stop: set when the run is to end soon; nobody is waited for without end then.
        patience: seconds that a sink gets to take a step, and to end, after that.

    Attributes:
        prepare: as above; may be set until the first step.
    """

    def __init__(
        self,
        prepare: Prepare | None = None,
        *,
        when_full: WhenFull = "block",
        on_error: OnError = "disable",
        stop: threading.Event | None = None,
        patience: float = _CLOSE,
    ) -> None:
        self.prepare = prepare
        self._when_full: WhenFull = when_full
        self._on_error: OnError = on_error
        self._stop = stop or threading.Event()
        self._patience = patience
        self._lanes: dict[str, _Lane] = {}
        self._changing = threading.Lock()
        self._failure: RelayTrackError | None = None

    def add(
        self,
        sink: Sink,
        *,
        name: str | None = None,
        when_full: WhenFull | None = None,
        on_error: OnError | None = None,
        queue: int | None = None,
    ) -> str:
        """Take up a sink, before the run or while it goes on.

        Args:
            sink: the sink; what it declares about itself goes before the host's defaults.
            name: what messages and figures call it.
            when_full: what to do while its queue is full; goes before what it declares.
            on_error: what to do when it fails; goes before what it declares.
            queue: steps that wait for it at the most.

        Returns:
            Its name, unique among the host's sinks.
        """
        wanted = name or getattr(sink, "name", None) or type(sink).__name__
        pictures = hasattr(sink, "needs_pixels") or hasattr(sink, "needs_drawn")
        with self._changing:
            unique, again = str(wanted), 1
            while unique in self._lanes:
                again += 1
                unique = f"{wanted}-{again}"
            lane = _Lane(
                unique,
                sink,
                when_full or getattr(sink, "when_full", None) or self._when_full,
                on_error or getattr(sink, "on_error", None) or self._on_error,
                queue or (PICTURES if pictures else QUEUE),
                self._fail,
            )
            self._lanes = {**self._lanes, unique: lane}
        lane.start()
        return unique

    def remove(self, name: str, timeout: float = _CLOSE) -> None:
        """Let a sink write what waits, close it and forget it; an unknown name does nothing."""
        with self._changing:
            lanes = dict(self._lanes)
            lane = lanes.pop(name, None)
            self._lanes = lanes
        if lane is not None:
            lane.end()
            lane.join(timeout)

    def put(self, step: Step, raw: Images = NO_IMAGES) -> None:
        """Hand a step to every sink; waits only for those that `block`.

        Args:
            step: the facts.
            raw: the cameras' pictures, which only `prepare` sees.

        Raises:
            RelayTrackError: a sink whose policy is `fail` has failed.
        """
        lanes = [lane for lane in self._lanes.values() if lane.open]
        pixels = [lane for lane in lanes if getattr(lane.sink, "needs_pixels", False)]
        drawn = [lane for lane in lanes if getattr(lane.sink, "needs_drawn", False)]
        if self.prepare is not None:
            step = self.prepare(step, raw, pixels=bool(pixels), drawn=bool(drawn))
        for lane in lanes:
            lane.put(_for(step, lane in pixels, lane in drawn), self._stop, self._patience)
        self.check()

    def camera_added(self, camera: CameraConfig) -> None:
        """Tell the sinks of a camera, in order with the steps."""
        for lane in self._lanes.values():
            if isinstance(lane.sink, CameraSink):
                lane.tell(lambda sink=lane.sink: sink.camera_added(camera))  # type: ignore[misc]

    def camera_removed(self, name: str) -> None:
        """Tell the sinks that a camera has left, in order with the steps."""
        for lane in self._lanes.values():
            if isinstance(lane.sink, CameraSink):
                lane.tell(lambda sink=lane.sink: sink.camera_removed(name))  # type: ignore[misc]

    def status(self) -> dict[str, SinkStatus]:
        """How every sink is doing, by name."""
        return {name: lane.status() for name, lane in self._lanes.items()}

    def check(self) -> None:
        """Raise the failure of a sink whose policy is `fail`.

        Raises:
            RelayTrackError: there was one.
        """
        if self._failure is not None:
            raise self._failure

    def close(self, timeout: float = _CLOSE) -> None:
        """Let every sink write what waits and close.

        Args:
            timeout: seconds after which a sink that drops steps is left behind; one that blocks the run is waited
                for, since nothing of it may be lost, unless the run was told to stop.

        Raises:
            RelayTrackError: a sink whose policy is `fail` has failed, now or before.
        """
        lanes = list(self._lanes.values())
        for lane in lanes:
            lane.end()
        end = time.monotonic() + timeout
        for lane in lanes:
            if lane.when_full == "block":
                while lane.alive and not self._stop.is_set():
                    lane.join(0.1, quiet=True)
                end = max(end, time.monotonic() + self._patience) if lane.alive else end
            lane.join(max(0.0, end - time.monotonic()))
        self.check()

    def _fail(self, error: RelayTrackError) -> None:
        self._failure = self._failure or error


def _for(step: Step, pixels: bool, drawn: bool) -> Step:
    if (pixels or not step.images) and (drawn or not step.drawn):
        return step
    facts = step.facts()
    images, pictures = (step.images if pixels else facts.images), (step.drawn if drawn else facts.drawn)
    return Step(step.time, step.tracks, step.revisions, step.events, images, pictures)


class _Lane:
    """One sink with its queue and its thread."""

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
        self._ending = self._over = self._disabled = False
        self._hurry = threading.Event()
        self._written = self._dropped = 0
        self._seconds = 0.0
        self._error: str | None = None
        self._failing = False
        self._thread = threading.Thread(target=self._run, name=f"sink-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def open(self) -> bool:
        return not (self._ending or self._disabled)

    def put(self, step: Step, stop: threading.Event, patience: float) -> None:
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
                oldest = next(place for place, item in enumerate(self._queue) if isinstance(item, Step))
                del self._queue[oldest]
                self._steps -= 1
                self._dropped += 1
            self._queue.append(step)
            self._steps += 1
            self._changed.notify_all()

    def tell(self, news: Callable[[], None]) -> None:
        with self._changed:
            if self.open:
                self._queue.append(news)
                self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ending = True
            self._hurry.set()
            self._changed.notify_all()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout: float, *, quiet: bool = False) -> None:
        self._thread.join(timeout)
        if self._thread.is_alive() and not quiet:
            LOG.warning("sink %s did not end in time; it is left behind", self.name)

    def status(self) -> SinkStatus:
        with self._changed:
            state: Literal["running", "retrying", "disabled", "closed"] = "running"
            if self._disabled:
                state = "disabled"
            elif self._over:
                state = "closed"
            elif self._failing:
                state = "retrying"
            return SinkStatus(state, self._written, self._dropped, self._steps, round(self._seconds, 4), self._error)

    def _run(self) -> None:
        while (item := self._next()) is not None:
            self._handle(item)
        try:
            self.sink.close()
        except Exception as error:
            self._failed(error)
        with self._changed:
            self._over = True

    def _next(self) -> Step | Callable[[], None] | None:
        with self._changed:
            while not self._queue and not self._ending and not self._disabled:
                self._changed.wait()
            if self._disabled or not self._queue:
                return None
            item = self._queue.popleft()
            self._steps -= isinstance(item, Step)
            self._changed.notify_all()
            return item

    def _handle(self, item: Step | Callable[[], None]) -> None:
        """Give the sink a step or news, again and again where that is its policy."""
        pause = _FIRST_PAUSE
        while True:
            start = time.perf_counter()
            try:
                self.sink.write(item) if isinstance(item, Step) else item()
            except Exception as error:
                self._failed(error)
            else:
                with self._changed:
                    self._seconds += time.perf_counter() - start
                    self._written += isinstance(item, Step)
                    if self._failing:
                        LOG.warning("sink %s works again", self.name)
                    self._failing, self._error = False, None
                return
            if self._on_error != "retry":
                return
            if self._ending or self._hurry.wait(pause):
                self._disable()  # the run is over: there is no time for further tries
                return
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _failed(self, error: Exception) -> None:
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
            LOG.error("%s; it gets nothing more", text)
            self._disable()
        elif first:
            LOG.warning("%s; it is tried again", text)

    def _disable(self) -> None:
        with self._changed:
            self._disabled = True
            self._dropped += self._steps
            self._steps = 0
            self._queue.clear()
            self._changed.notify_all()
