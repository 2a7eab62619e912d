"""How a run begins and ends: its states, the thread that carries it out, and what ended it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Self

from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.runtime.snapshot import RunState, Snapshot
from relaytrack.pipeline.runtime.summary import Summary


class RunLifecycle(ABC):
    """Starts a run, carries it out on a thread and tells how it stands; the base of `Pipeline` and `ClusterEngine`.

    Args:
        thread: the name of the thread.
    """

    def __init__(self, thread: str) -> None:
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._state: RunState = "new"
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._thread_name = thread

    @property
    @abstractmethod
    def summary(self) -> Summary:
        """What was seen so far."""

    @abstractmethod
    def _prepare(self) -> bool:
        """Make everything ready for `_carry_out`; False if `stop()` came in between and there is nothing to do."""

    @abstractmethod
    def _carry_out(self) -> None:
        """The run itself, on its thread; returns at its end or soon after `stop()`."""

    @abstractmethod
    def _leave(self) -> None:
        """Close what is open, after the run or after a start that failed."""

    @abstractmethod
    def _snapshot(self, state: RunState, error: str | None) -> Snapshot:
        """The run at present; `error` is what ended it."""

    def start(self) -> Self:
        """Make all parts ready, open the cameras and begin; a second call does nothing.

        Raises:
            RelayTrackError: a setting, a camera, a network, the output folder or the cluster is of no use.
            TrackerError: a setting of the tracker or the association makes no sense.
            ReidError: from the embedder.
        """
        with self._starting:
            if self._state != "new":
                return self
            self._state = "starting"
            try:
                ready = self._prepare()
            except BaseException as error:
                self._fail(error)
                self._stop.set()
                with suppress(Exception):
                    self._leave()
                raise
            if ready:
                self._state = "running"
                self._thread = threading.Thread(target=self._main, name=self._thread_name, daemon=True)
                self._thread.start()
            else:
                self._state = "ended"
                self._leave()
        return self

    def stop(self) -> None:
        """End the run soon and cleanly: what was written stays complete. Safe from any thread or signal."""
        self._stop.set()

    def join(self, timeout: float | None = None) -> Summary:
        """Wait for the end of the run, its final pass included, and return its summary.

        Args:
            timeout: seconds to wait at the most.

        Raises:
            ConfigError: the run has not been started.
            TimeoutError: the run goes on.
            RelayTrackError: what ended the run; an error that `start` has raised is not raised again.
            TrackerError: from the tracker or the association.
            ReidError: from the embedder.
        """
        if self._thread is None:
            if self._state in ("ended", "failed"):
                return self.summary
            raise ConfigError("the run has not been started")
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the run goes on after {timeout:g} s")
        if self._failure is not None:
            raise self._failure
        return self.summary

    def status(self) -> Snapshot:
        """The run at present; from any thread, at any time."""
        error = None if self._failure is None else one_line(self._failure) or type(self._failure).__name__
        state: RunState = "stopping" if self._state == "running" and self._stop.is_set() else self._state
        return self._snapshot(state, error)

    def _check_running(self, what: str) -> None:
        """Refuse something that needs a run on its way.

        Args:
            what: begins the message, as in "cameras can be changed".

        Raises:
            ConfigError: the run has not begun, or it is over.
        """
        if self._state != "running":
            raise ConfigError(f"{what} only while the run goes on; it is {self._state!r}")

    def _main(self) -> None:
        """The run and its end, on the run's thread."""
        try:
            self._carry_out()
            self._state = "ended"
        except BaseException as error:
            self._fail(error)
        finally:
            self._stop.set()
            try:
                self._leave()
            except Exception as error:
                self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Note what ended the run; the first error counts."""
        self._failure = self._failure or error
        self._state = "failed"
