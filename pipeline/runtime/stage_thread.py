"""One stage on threads of its own: takes from a bounded queue, applies a function, hands on.

The end of the stream and failures go through the same queues as the data, so that the last stage gets them in order.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


class _End:
    """The last thing in a queue: the stream is over, with the failure that ended it if there was one."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Worker(Generic[In, Out]):
    """Applies `work` to every item of `source` on threads of its own; iterating over it gives the results in order.

    Args:
        name: the threads' name and the key of the stage's figures.
        work: called with each item.
        source: the stage before; its failure is passed on.
        depth: results that wait at the most, besides those being made, before this stage stands still.
        threads: how many work at the same time, each on one item.

    Attributes:
        seconds: time spent in `work`, of all threads together.
        count: items done.
    """

    def __init__(
        self, name: str, work: Callable[[In], Out], source: Iterable[In], depth: int = 4, threads: int = 1
    ) -> None:
        self.name = name
        self.seconds = 0.0
        self.count = 0
        self._work = work
        self._source = iter(source)
        self._results: queue.SimpleQueue[Future[Out] | _End] = queue.SimpleQueue()
        self._room = threading.Semaphore(depth + threads - 1)
        self._taking = threading.Lock()
        self._counting = threading.Lock()
        self._over = False
        self._abandoned = threading.Event()
        self._threads = [threading.Thread(target=self._run, name=name, daemon=True) for _ in range(threads)]

    def start(self) -> Worker[In, Out]:
        """Start the threads and return the worker itself."""
        for thread in self._threads:
            thread.start()
        return self

    def waiting(self) -> int:
        """Return how many results are being made or wait to be taken."""
        return self._results.qsize()

    def abandon(self) -> None:
        """Tell the stage that nobody takes its results any more: it ends instead of waiting for room."""
        self._abandoned.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the threads to end, `timeout` seconds at the most."""
        end = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))

    def __iter__(self) -> Iterator[Out]:
        while True:
            result = self._results.get()
            if isinstance(result, _End):
                if result.error is not None:
                    raise result.error
                return
            self._room.release()
            yield result.result()

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            item, result = taken
            start = time.perf_counter()
            try:
                made = self._work(item)
            except BaseException as error:  # handed to whoever waits at the end
                self._over = True
                result.set_exception(error)
                return
            with self._counting:
                self.seconds += time.perf_counter() - start
                self.count += 1
            result.set_result(made)

    def _take(self) -> tuple[In, Future[Out]] | None:
        """The next item, once there is room for its result, and that result's place in the queue; None at the end."""
        with self._taking:
            while not self._room.acquire(timeout=0.1):
                if self._abandoned.is_set():
                    return None
            if self._over or self._abandoned.is_set():
                return None
            try:
                item = next(self._source)
            except StopIteration:
                self._end()
                return None
            except BaseException as error:
                self._end(error)
                return None
            result: Future[Out] = Future()
            self._results.put(result)
            return item, result

    def _end(self, error: BaseException | None = None) -> None:
        self._over = True
        self._results.put(_End(error))
