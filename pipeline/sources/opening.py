"""Opens the cameras of a run side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.sources.base import Source
from relaytrack.pipeline.sources.frame_grouping import POLL

Spawn = Callable[..., None]
"""Called with a thread's name, its work and the work's arguments; starts it."""


def open_all(sources: Sequence[Source], spawn: Spawn, *, stop: threading.Event, timeout: float | None) -> bool:
    """Open all cameras, each on a thread of its own.

    Args:
        sources: the cameras.
        spawn: starts a thread.
        stop: gives up when it is set.
        timeout: seconds after which a source that ignores its own limit counts as failed; None waits.

    Returns:
        Whether all are open; False only when `stop` is set.

    Raises:
        SourceError: a camera cannot be opened (of those that failed by then, the first in order).
    """
    changed = threading.Condition()
    failures: dict[int, BaseException] = {}
    opened: set[int] = set()

    def open_one(number: int, source: Source) -> None:
        failure: BaseException | None = None
        try:
            source.open()
        except BaseException as error:
            failure = error
        with changed:
            if failure is not None:
                failures[number] = failure
            opened.add(number)
            changed.notify_all()

    for number, source in enumerate(sources):
        spawn(f"open-{source.name}", open_one, number, source)
    limit = None if timeout is None else time.monotonic() + timeout
    with changed:
        while len(opened) < len(sources) and not failures and not stop.is_set():
            if limit is not None and time.monotonic() > limit:
                late = next(source for number, source in enumerate(sources) if number not in opened)
                raise SourceError(f"camera {late.name!r}: did not open within {timeout:g} s")
            changed.wait(POLL)
        if failures:
            raise failures[min(failures)]
    return not stop.is_set()
