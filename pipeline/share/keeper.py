"""Brings a machine's results to the shared place while its work goes on, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from relaytrack.pipeline.backoff import Backoff
from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.pipeline.share.finished import complete_segments
from relaytrack.pipeline.share.mirror import Mirror

LOG = logging.getLogger("relaytrack.share")
_LOOK = 0.5  # seconds between two looks at whether the work is over
_EVERY = 5.0  # seconds between two looks at the folder
_LISTS = 60.0  # seconds between two times that lists, which grow, are put again
_FIRST, _LONGEST = 0.5, 30.0  # seconds between tries
_PATIENCE = 60.0  # seconds of failures after which what is left at the end stays where it is


@dataclass(frozen=True, slots=True)
class Shared:
    """How far a machine is.

    Attributes:
        left: files that are still to be put at the place, or removed from it; folder: their folder on this machine.
        over: whether nothing more will be tried.
    """

    left: int
    folder: str
    over: bool


class ShareKeeper:
    """Brings one file after the other to the shared place, so nothing queues up; what fails is tried again.

    Args:
        mirror: of the results' folder.
        folder: that folder.
        live: whether files are brought as they are completed; otherwise all of them at the end.
        is_over: whether the work, with its final pass, is over.
        also: further work of the thread, once in a minute.
    """

    def __init__(
        self,
        mirror: Mirror,
        folder: Path,
        *,
        live: bool,
        is_over: Callable[[], bool],
        also: Callable[[], object] = lambda: None,
    ) -> None:
        self._mirror, self._folder, self._live, self._is_over, self._also = mirror, folder, live, is_over, also
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._over = False
        self._left = 0
        self._failing = False
        self._backoff = Backoff(_FIRST, _LONGEST, None)
        self._thread = threading.Thread(target=self._run, name="share", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hurry(self) -> None:
        """Something was corrected or removed: bring that now, the lists, too."""
        self._wake.set()

    def close(self) -> None:
        """Give up; what is on its way may still arrive."""
        self._closed.set()
        self._wake.set()

    def status(self) -> Shared:
        """How far it is."""
        return Shared(self._left, str(self._folder), self._over)

    def _run(self) -> None:
        due = lists = time.monotonic()
        while not self._closed.is_set() and not self._is_over():
            hurried = self._wake.wait(_LOOK)
            self._wake.clear()
            now = time.monotonic()
            if not self._live or not (hurried or now >= due):
                continue
            with_lists = hurried or now >= lists
            pause = self._bring(everything=with_lists)
            due = time.monotonic() + (_EVERY if pause is None else pause)
            if pause is None and with_lists:
                lists = time.monotonic() + _LISTS
        self._complete()
        self._over = True

    def _complete(self) -> None:
        """All that is left, after the end of the work."""
        until = time.monotonic() + _PATIENCE
        while not self._closed.is_set():
            before = self._left
            pause = self._bring(everything=True, to_the_end=True)
            if pause is None:
                return
            if self._left < before:
                until = time.monotonic() + _PATIENCE
            if time.monotonic() >= until:
                LOG.warning("%d files are not at the shared place; they lie in %s", self._left, self._folder)
                return
            self._closed.wait(pause)

    def _bring(self, *, everything: bool, to_the_end: bool = False) -> float | None:
        """Bring what there is; None, or the seconds until the next try."""
        ready: Callable[[str], bool] = _any
        try:
            if not to_the_end:
                ready = self._complete_now(everything)
            self._mirror.bring(ready)
            if everything and not to_the_end:
                self._also()
        except (RelayTrackError, OSError) as error:
            self._count(ready)
            if not self._failing:
                LOG.warning("%s; it is tried again, and nothing is lost on this machine", one_line(error))
            self._failing = True
            return self._backoff.pause()
        if self._failing:
            LOG.warning("the shared place is reached again")
        self._failing, self._left = False, 0
        self._backoff.reset()
        return None

    def _complete_now(self, lists: bool) -> Callable[[str], bool]:
        """A question: whether a file is complete while the work goes on; `lists` are as they are now."""
        segment = complete_segments(self._folder)
        return lambda name: segment(name) or (lists and _is_list(name))

    def _count(self, ready: Callable[[str], bool]) -> None:
        try:
            left = self._mirror.difference(ready)
            self._left = len(left.put) + len(left.remove)
        except OSError:
            self._left = max(1, self._left)


def _any(name: str) -> bool:
    """Every file, once nobody writes any more."""
    return bool(name)


def _is_list(name: str) -> bool:
    """Whether a file is one that changes all the time."""
    return name.count("/") <= 1
