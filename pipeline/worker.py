"""One stage on a thread of its own: takes from a bounded queue, applies a function, hands on.

The end of the stream and any failure travel down the same path as the data, so that whoever waits at the far
end learns of both in order.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


class _End:
    """The last thing in a queue: the stream is over, with the failure that ended it if there was one."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Worker(Generic[In, Out]):
    """Applies `work` to every item of `source` on its own thread; iterating over the worker gives the results.

    Args:
        name: the thread's name and the key of its figures.
        work: called with each item, in order, on one thread.
        source: the stage before; its failure is passed on.
        depth: results that wait at the most before this stage stands still.
    """

    def __init__(self, name: str, work: Callable[[In], Out], source: Iterable[In], depth: int = 4) -> None:
        self.name = name
        self.seconds = 0.0
        self.count = 0
        self._work = work
        self._source = source
        self._results: queue.Queue[Out | _End] = queue.Queue(maxsize=depth)
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> Worker[In, Out]:
        """Start the thread and return the worker itself."""
        self._thread.start()
        return self

    def waiting(self) -> int:
        """Return how many results wait to be taken."""
        return self._results.qsize()

    def abandon(self) -> None:
        """Tell the stage that nobody takes its results any more: it ends instead of waiting for room."""
        self._abandoned.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout)

    def __iter__(self) -> Iterator[Out]:
        while True:
            item = self._results.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _run(self) -> None:
        try:
            for item in self._source:
                start = time.perf_counter()
                result = self._work(item)
                self.seconds += time.perf_counter() - start
                self.count += 1
                if not self._put(result):
                    return
        except BaseException as error:  # handed to whoever waits at the end
            self._put(_End(error))
        else:
            self._put(_End())

    def _put(self, item: Out | _End) -> bool:
        while not self._abandoned.is_set():
            try:
                self._results.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
