"""Watches the head of a Ray cluster: Ray itself waits a minute for it, and then ends the program without a word."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import RelayTrackError

_EVERY = 1.0  # seconds between two looks
_ANSWER = 2.0  # seconds that a look may take
_SETTING = "RAY_gcs_rpc_server_reconnect_timeout_s"
_RAY_WAITS = 60.0  # seconds after which Ray ends the program, unless it was told otherwise
_CHECK = 0.5  # seconds between two checks while an action goes on

T = TypeVar("T")


class ClusterError(RelayTrackError):
    """The cluster cannot be reached, does not fit, or was lost."""


class StoppedError(ClusterError):
    """Something was stopped before it was done."""


class HeadLostError(ClusterError):
    """The head of the cluster is gone.

    Ray cannot leave a cluster without its head: at the end of the program it waits for it, and then ends the program
    in its own way. So the command line leaves without the usual end of a Python program.
    """

    leaves_at_once = True


def listens(address: str, timeout: float) -> bool:
    """Whether anybody takes connections at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=timeout).close()
    except (OSError, OverflowError):
        return False
    return True


class HeadWatch:
    """Looks every second whether the head still takes connections, in a thread of its own.

    Args:
        address: HOST:PORT of the head.
        patience: seconds for which it may be away; None: half the time after which Ray ends the program. A head that
            keeps its state in an external store can be started again in that time.
    """

    def __init__(self, address: str, patience: float | None = None) -> None:
        if patience is None:
            patience = 0.5 * float(os.environ.get(_SETTING, _RAY_WAITS))
        self._address, self._patience = address, patience
        self._seen = time.monotonic()
        self._lost = False
        self._closed = threading.Event()
        threading.Thread(target=self._look, name="head", daemon=True).start()

    @property
    def gone(self) -> bool:
        """Whether the head has been away for too long."""
        return self._lost or time.monotonic() - self._seen > self._patience

    def during(self, action: Callable[[], T], stop: threading.Event | None = None) -> T:
        """Carry out an action on a thread of its own for as long as the head is there.

        Many calls of Ray wait for a lost head until Ray ends the program without a word; the caller does not.

        Args:
            action: what to do.
            stop: set when nobody waits for it any more.

        Raises:
            HeadLostError: the head is gone; the action is left where it is.
            StoppedError: `stop` was set; the action is left where it is.
            BaseException: what the action raised.
        """
        answer: Future[T] = Future()

        def act() -> None:
            try:
                answer.set_result(action())
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=act, name="cluster", daemon=True).start()
        while not wait([answer], _CHECK).done:
            self.check()
            if stop is not None and stop.is_set():
                raise StoppedError("stopped")
        return answer.result()

    def following(self, action: Callable[[], T], stop: threading.Event | None = None) -> T:
        """Carry out an action as `during` does, and say in one line why the cluster was lost in it.

        Raises:
            ClusterError: the cluster was lost.
            BaseException: as of `during`.
        """
        from ray.exceptions import RayError

        try:
            return self.during(action, stop)
        except (RayError, ConnectionError) as error:
            self.check_now()
            why = one_line(error)[:200]
            raise ClusterError(f"the cluster was lost ({type(error).__name__}: {why})") from None

    def check_now(self) -> None:
        """Refuse to go on if the head does not answer at this moment.

        Raises:
            HeadLostError: it does not.
        """
        self._lost = self._lost or not listens(self._address, _ANSWER)
        self.check()

    def check(self) -> None:
        """Refuse to go on without the head.

        Raises:
            HeadLostError: it is gone.
        """
        if self.gone:
            raise HeadLostError(
                f"the head of the cluster, {self._address}, is gone; "
                "what was written until now stays on each machine in cluster.dir"
            )

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def _look(self) -> None:
        while not self._closed.wait(_EVERY):
            if listens(self._address, _ANSWER):
                self._seen = time.monotonic()
