"""Places that all machines reach: a shared folder, or a store behind an URL that fsspec knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Protocol, TypeVar

from relaytrack.pipeline.config.urls import fill_variables
from relaytrack.pipeline.errors import OutputError
from relaytrack.reid.paths import plain_path

KEY = "cluster.share"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
T = TypeVar("T")


class SharedPlace(Protocol):
    """Where files are put, found and removed by name; names are relative, with `/` between their parts.

    All methods raise an OutputError where the place cannot be reached or refuses.

    Attributes:
        address: as it may be shown, without a slash at its end.
    """

    address: str

    def names(self) -> list[str]:
        """All files, sorted."""

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""

    def put(self, name: str, file: Path) -> None:
        """Bring a file there, over one of that name; who looks meanwhile finds the old one or the whole new one.

        Raises:
            FileNotFoundError: there is no such local file.
        """

    def fetch(self, name: str, file: Path) -> None:
        """Write one of its files to a local one."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""


def is_address(text: str) -> bool:
    """Whether this is an URL; a path otherwise (`file://` addresses are paths, too)."""
    return _SCHEME.match(text) is not None and "://" in plain_path(text)


def below(address: str, name: str) -> str:
    """The address of a part of a place."""
    return f"{address.rstrip('/')}/{name}"


def open_place(address: str) -> SharedPlace:
    """A place by its address; nothing is looked at there yet.

    Args:
        address: a folder, or an URL that fsspec knows; `${NAME}` is filled from the environment.

    Raises:
        ConfigError: its protocol is not known, a package that it needs is not installed, or a variable is not set.
    """
    from relaytrack.pipeline.share.folder_place import FolderPlace
    from relaytrack.pipeline.share.remote_place import RemotePlace

    if not is_address(address):
        return FolderPlace(Path(plain_path(address)))
    return RemotePlace(fill_variables(address, KEY), address)


def within(seconds: float, address: str, action: Callable[[], T]) -> T:
    """The result of an action that must end in time; its exceptions are passed on.

    Raises:
        OutputError: it takes longer; it is left behind.
    """
    answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def act() -> None:
        try:
            answers.put((action(), None))
        except BaseException as error:
            answers.put((None, error))

    Thread(target=act, name="share-check", daemon=True).start()
    try:
        found, error = answers.get(timeout=seconds)
    except Empty:
        raise OutputError(f"{KEY}: no answer within {seconds:g} s: {address}") from None
    if error is not None:
        raise error
    return found  # type: ignore[return-value]
