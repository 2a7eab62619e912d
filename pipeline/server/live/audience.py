"""Who looks at which camera, and who waits for one picture of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TypeVar

from relaytrack.pipeline.server.live.viewer import Codec, PacketQueue, Viewer

T = TypeVar("T")
_NUMBERS = count(1)


class AskedPicture:
    """Somebody who waits for one picture.

    Attributes:
        camera: of which; drawn: with what was found on it; then: told of it, as JPEG.
        number: grows with every one.
    """

    def __init__(self, camera: str, drawn: bool, then: Callable[[bytes], object]) -> None:
        self.camera, self.drawn, self.then = camera, drawn, then
        self.number = next(_NUMBERS)


class Audience:
    """Knows all who look; the base of what gets the pictures for them.

    Attributes:
        closed: whether nobody gets anything any more.
        encoded: pictures that were encoded for them.
    """

    def __init__(self) -> None:
        self._viewers: dict[str, list[PacketQueue]] = {}
        self._asked: dict[str, list[AskedPicture]] = {}
        self._changing = threading.RLock()
        self.closed = False
        self.encoded = 0

    def viewers(self) -> dict[str, int]:
        """How many look at each camera."""
        with self._changing:
            return {camera: len(viewers) for camera, viewers in self._viewers.items()}

    @contextmanager
    def watching(self, camera: str, codec: Codec) -> Iterator[Viewer]:
        """Be a viewer of a camera."""
        viewer = Viewer(camera, codec, asyncio.get_running_loop())
        self.join(viewer)
        try:
            yield viewer
        finally:
            self.leave(viewer)

    def join(self, viewer: PacketQueue) -> None:
        """Add a viewer."""
        with self._changing:
            self._viewers.setdefault(viewer.camera, []).append(viewer)
            self._joined(viewer)
            self._count()

    def leave(self, viewer: PacketQueue) -> None:
        """Take a viewer out."""
        with self._changing:
            _take_out(self._viewers, viewer.camera, viewer)
            self._count()

    def snapshot(self, camera: str, timeout: float = 3.0, *, drawn: bool = True) -> bytes | None:
        """The next picture of a camera as JPEG, with what was found or without; None where none comes. Blocks."""
        there, found = threading.Event(), list[bytes]()

        def take(data: bytes) -> None:
            found.append(data)
            there.set()

        waiting = AskedPicture(camera, drawn, take)
        self.ask(waiting)
        try:
            there.wait(timeout)
            return found[0] if found else None
        finally:
            self.withdraw(waiting)

    def ask(self, waiting: AskedPicture) -> None:
        """Wait for the next picture of a camera."""
        with self._changing:
            self._asked.setdefault(waiting.camera, []).append(waiting)
            self._count()

    def withdraw(self, waiting: AskedPicture) -> None:
        """Wait no more."""
        with self._changing:
            _take_out(self._asked, waiting.camera, waiting)
            self._count()

    def end_camera(self, name: str) -> None:
        """Its viewers are told that nothing more comes."""
        with self._changing:
            viewers = tuple(self._viewers.get(name, ()))
        for viewer in viewers:
            viewer.end()

    def close(self) -> None:
        """Let all viewers go."""
        with self._changing:
            self.closed = True
            viewers = [viewer for found in self._viewers.values() for viewer in found]
            self._count()
        for viewer in viewers:
            viewer.end()

    # for those who get the pictures

    def _joined(self, viewer: PacketQueue) -> None:
        """A viewer has come; `_changing` is held."""

    def _count(self) -> None:
        """Who looks or waits has changed; `_changing` is held."""


def _take_out(lists: dict[str, list[T]], camera: str, one: T) -> None:
    """Take somebody out of a camera's list, and the list itself where nobody is left in it."""
    left = [other for other in lists.get(camera, ()) if other is not one]
    if left:
        lists[camera] = left
    else:
        lists.pop(camera, None)


def answer(asked: Iterable[AskedPicture], data: bytes) -> None:
    """Hand a picture to all who wait for it."""
    for waiting in asked:
        waiting.then(data)


__all__ = ["AskedPicture", "Audience", "answer"]
