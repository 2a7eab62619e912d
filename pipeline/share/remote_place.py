"""A place behind an URL: whatever fsspec knows, such as `s3://bucket/site`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import ConfigError, OutputError
from relaytrack.pipeline.results.folder import make_folder, writing

_KEY = "cluster.share"
_PACKAGE = re.compile(r"[Ii]nstall (?:the )?[\"'`]?([A-Za-z0-9_-]+)")


class RemotePlace:
    """A `SharedPlace` behind an URL. Stores such as S3 show a file only once it is complete.

    Args:
        url: with its variables filled in.
        address: as it may be shown.

    Raises:
        ConfigError: the protocol is not known, or a package is not installed.
    """

    def __init__(self, url: str, address: str) -> None:
        scheme = url.partition("://")[0]
        self.address = address.rstrip("/")
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError:
            raise ConfigError(f"{_KEY}: an URL needs fsspec: pip install 'relaytrack[cluster]'") from None
        try:
            self._files, root = url_to_fs(url)
        except ImportError as error:
            named = _PACKAGE.search(str(error))
            package = named[1] if named else getattr(error, "name", None) or "a further package"
            raise ConfigError(f"{_KEY}: {scheme}:// needs {package}: pip install {package}, on every machine") from None
        except ValueError as error:
            if "rotocol not known" in str(error):
                raise ConfigError(f"{_KEY}: fsspec knows no protocol {scheme!r}") from None
            raise ConfigError(f"{_KEY}: {one_line(error)}") from None
        except Exception as error:
            raise OutputError(f"{_KEY}: cannot be opened: {_said(error)}: {self.address}") from None
        self._root = str(root).rstrip("/")

    def names(self) -> list[str]:
        """See `SharedPlace`."""
        with self._telling("read"):
            self._files.invalidate_cache()
            found: list[Any] = self._files.find(self._root) if self._files.exists(self._root) else []
        start = len(self._root.strip("/")) + 1
        return sorted(str(path).strip("/")[start:] for path in found)

    def exists(self, name: str) -> bool:
        """See `SharedPlace`."""
        with self._telling("read"):
            self._files.invalidate_cache()
            return bool(self._files.exists(self._path(name)))

    def put(self, name: str, file: Path) -> None:
        """See `SharedPlace`."""
        file.stat()
        with self._telling(f"write {name}"):
            self._files.put_file(str(file), self._path(name))

    def fetch(self, name: str, file: Path) -> None:
        """See `SharedPlace`."""
        with writing(file):
            make_folder(file.parent)
            file.touch(mode=0o600)
        with self._telling(f"read {name}"):
            self._files.get_file(self._path(name), str(file))

    def remove(self, name: str) -> None:
        """See `SharedPlace`."""
        with self._telling(f"remove {name}"):
            try:
                self._files.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _telling(self, action: str) -> Iterator[None]:
        """Turn what any of many packages may raise into one line; the address stands at its end."""
        try:
            yield
        except Exception as error:
            raise OutputError(f"{_KEY}: cannot {action}: {_said(error)}: {self.address}") from None


def _said(error: Exception) -> str:
    """What an error of a store says, in one line."""
    return one_line(error)[:200] or type(error).__name__
