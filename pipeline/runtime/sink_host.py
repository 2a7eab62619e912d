"""Hands every step to every sink, each on a thread of its own: a slow or broken sink troubles no other."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any, Protocol

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import ConfigError, RelayTrackError
from relaytrack.pipeline.records import NO_IMAGES, Images, Step
from relaytrack.pipeline.runtime.asked_sinks import Asked
from relaytrack.pipeline.runtime.sink_thread import SinkStatus, SinkThread
from relaytrack.pipeline.sinks.base import CameraSink, OnError, Sink, WhenFull

QUEUE = 256
"""Steps that wait for a sink without pictures at the most."""
PICTURES = 8
"""The same for a sink with pictures, which hold memory."""
_CLOSE = 10.0  # seconds that a sink gets to end


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
        self._threads: dict[str, SinkThread] = {}
        self._cameras: dict[str, CameraConfig] = {}
        self._closed = False
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
        """Take up a sink, before the run or while it goes on; it is told of the cameras that are there.

        Args:
            sink: the sink; what it declares about itself goes before the host's defaults.
            name: what messages and figures call it.
            when_full: what to do while its queue is full; goes before what it declares.
            on_error: what to do when it fails; goes before what it declares.
            queue: steps that wait for it at the most.

        Returns:
            Its name, unique among the host's sinks.

        Raises:
            ConfigError: the host is closed: no step will ever come.
        """
        wanted = name or getattr(sink, "name", None) or type(sink).__name__
        pictures = hasattr(sink, "needs_pixels") or hasattr(sink, "needs_drawn")
        with self._changing:
            if self._closed:
                raise ConfigError("the run is over: nobody can take its steps any more")
            unique, again = str(wanted), 1
            while unique in self._threads:
                again += 1
                unique = f"{wanted}-{again}"
            thread = SinkThread(
                unique,
                sink,
                when_full or getattr(sink, "when_full", None) or self._when_full,
                on_error or getattr(sink, "on_error", None) or self._on_error,
                queue or (PICTURES if pictures else QUEUE),
                self._fail,
            )
            self._threads = {**self._threads, unique: thread}
            for camera in self._cameras.values():
                _tell_added(thread, camera)
        thread.start()
        return unique

    def remove(self, name: str, timeout: float = _CLOSE) -> None:
        """Let a sink write what waits, close it and forget it; an unknown name does nothing."""
        with self._changing:
            threads = dict(self._threads)
            thread = threads.pop(name, None)
            self._threads = threads
        if thread is not None:
            thread.end()
            thread.join(timeout)

    def put(self, step: Step, raw: Images = NO_IMAGES) -> None:
        """Hand a step to every sink; waits only for those that `block`.

        Args:
            step: the facts.
            raw: the cameras' pictures, which only `prepare` sees.

        Raises:
            RelayTrackError: a sink whose policy is `fail` has failed.
        """
        threads = [thread for thread in self._threads.values() if thread.open]
        pixels = [thread for thread in threads if thread.wants("needs_pixels")]
        drawn = [thread for thread in threads if thread.wants("needs_drawn")]
        if self.prepare is not None:
            step = self.prepare(step, raw, pixels=bool(pixels), drawn=bool(drawn))
        for thread in threads:
            thread.put(_for(step, thread in pixels, thread in drawn), self._stop, self._patience)
        self.check()

    def camera_added(self, camera: CameraConfig) -> None:
        """Tell the sinks of a camera, in order with the steps."""
        with self._changing:
            self._cameras[camera.name] = camera
            for thread in self._threads.values():
                _tell_added(thread, camera)

    def camera_removed(self, name: str) -> None:
        """Tell the sinks that a camera has left, in order with the steps."""
        with self._changing:
            self._cameras.pop(name, None)
            for thread in self._threads.values():
                if isinstance(thread.sink, CameraSink):
                    thread.tell(lambda sink=thread.sink: sink.camera_removed(name))  # type: ignore[misc]

    def ask(self, method: str, *given: Any) -> Asked:
        """Call a method of every sink that has it, on the sink's thread, after the steps that wait for it."""
        asked = Asked()
        for thread in self._threads.values():
            if callable(getattr(thread.sink, method, None)):
                asked.add(thread, method, given)
        return asked

    def status(self) -> dict[str, SinkStatus]:
        """How every sink is doing, by name."""
        return {name: thread.status() for name, thread in self._threads.items()}

    def check(self) -> None:
        """Raise the failure of a sink whose policy is `fail`.

        Raises:
            RelayTrackError: there was one.
        """
        if self._failure is not None:
            raise self._failure

    def close(self, timeout: float = _CLOSE) -> None:
        """Let every sink write what waits and close; no further one can join.

        Args:
            timeout: seconds after which a sink that drops steps is left behind; one that blocks the run is waited
                for, since nothing of it may be lost, unless the run was told to stop.

        Raises:
            RelayTrackError: a sink whose policy is `fail` has failed, now or before.
        """
        with self._changing:
            self._closed = True
            threads = list(self._threads.values())
        for thread in threads:
            thread.end()
        end = time.monotonic() + timeout
        for thread in threads:
            if thread.when_full == "block":
                while thread.alive and not self._stop.is_set():
                    thread.join(0.1, quiet=True)
                end = max(end, time.monotonic() + self._patience) if thread.alive else end
            thread.join(max(0.0, end - time.monotonic()))
        self.check()

    def _fail(self, error: RelayTrackError) -> None:
        self._failure = self._failure or error


def _tell_added(thread: SinkThread, camera: CameraConfig) -> None:
    sink = thread.sink
    if isinstance(sink, CameraSink):
        thread.tell(lambda: sink.camera_added(camera))


def _for(step: Step, pixels: bool, drawn: bool) -> Step:
    """The step with only those pictures that a sink wants."""
    if (pixels or not step.images) and (drawn or not step.drawn):
        return step
    return replace(step, images=step.images if pixels else NO_IMAGES, drawn=step.drawn if drawn else NO_IMAGES)
