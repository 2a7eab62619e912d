"""The site's YAML file: changes made in the page are written back, comments and order stay, the last 20 are kept."""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError, OutputError, RelayTrackError
from relaytrack.pipeline.results.folder import make_folder, open_private, writing

KEPT = 20
"""Earlier versions that are kept."""
_STAMP = "%Y%m%dT%H%M%S.%f"
_LOADED = yaml.resolver.Resolver()
"""What plain text means to the loader of settings, which follows YAML 1.1."""
_VERSION = re.compile(r"\d{8}T\d{6}\.\d{6}\.yaml")
_HEAD = "# The site's settings; `relaytrack serve` writes changes made in the page here. Comments stay.\n"


class SiteFile:
    """One YAML file. It is read anew before every change, so that edits by hand in between are kept, too.

    Args:
        path: the file; made with the first change if it is not there.
        history: folder of the earlier versions.
    """

    def __init__(self, path: Path, history: Path) -> None:
        self.path = path.resolve()
        self._history = history
        self._writing = threading.Lock()

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """A block that changes the file and then the engine: where it fails, the file is what it was before."""
        before = self._read()
        try:
            yield
        except BaseException:
            with self._writing, suppress(RelayTrackError):
                if self._read() != before:
                    self._replace(before)
            raise

    def put_camera(self, name: str, settings: Mapping[str, Any]) -> None:
        """Set keys of a camera; a camera that the file does not have is added at the end.

        Raises:
            ConfigError: the file cannot be read or the result would be of no use.
            OutputError: it cannot be written.
        """

        def change(data: CommentedMap) -> None:
            cameras = data.get("cameras")
            if cameras is None:
                cameras = data["cameras"] = CommentedSeq()
            place = _find(cameras, name)
            if place is None:
                cameras.append(CommentedMap({"name": _plain(name)}))
                place = len(cameras) - 1
            if not isinstance(cameras[place], dict):
                cameras[place] = CommentedMap({"name": _plain(name), "url": cameras[place]})
            entry = cameras[place]
            for key, value in settings.items():
                if value is None or value in ({}, ""):
                    entry.pop(key, None)
                elif entry.get(key) != value:
                    entry[key] = _plain(value)

        self._change(change)

    def remove_camera(self, name: str) -> None:
        """Take a camera out; see `put_camera`."""

        def change(data: CommentedMap) -> None:
            cameras = data.get("cameras") or []
            place = _find(cameras, name)
            if place is not None:
                del cameras[place]

        self._change(change)

    def set(self, key: str, value: Any) -> None:
        """Set one dotted key; see `put_camera`."""

        def change(data: CommentedMap) -> None:
            *way, last = key.split(".")
            here: Any = data
            for step in way:
                if not isinstance(here.get(step), dict):
                    here[step] = CommentedMap()
                here = here[step]
            here[last] = _plain(value)

        self._change(change)

    def history(self) -> list[str]:
        """The names of the earlier versions, newest first."""
        found = [path.name for path in self._history.glob("*.yaml") if _VERSION.fullmatch(path.name)]
        return sorted(found, reverse=True)

    def _change(self, change: Callable[[CommentedMap], None]) -> None:
        with self._writing:
            before = self._read()
            dialect = _dialect(before)
            try:
                data = dialect.load(before)
            except YAMLError:
                raise ConfigError(f"{self.path}: not valid YAML; nothing was changed") from None
            data = CommentedMap() if data is None else data
            if not isinstance(data, CommentedMap):
                raise ConfigError(f"{self.path}: not a mapping of sections; nothing was changed")
            change(data)
            text = io.StringIO()
            dialect.dump(data, text)
            after = text.getvalue() if before.strip() else _HEAD + text.getvalue()
            if after == before:
                return
            try:
                Config.model_validate(yaml.safe_load(after))
            except ValueError as error:
                first = str(error).splitlines()[0]
                raise ConfigError(f"{self.path}: the change does not fit the file ({first})") from None
            if before:
                self._keep(before)
            self._replace(after)

    def _read(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{self.path}: cannot be read; nothing was changed") from None

    def _replace(self, text: str) -> None:
        """Write the file whole, with the rights that it had."""
        rights = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o600
        partial = self.path.with_name(f".{self.path.name}.partial")
        with writing(self.path):
            make_folder(self.path.parent)
            with open_private(partial) as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            os.chmod(partial, rights)
            os.replace(partial, self.path)

    def _keep(self, text: str) -> None:
        now = datetime.now(UTC)
        if known := self.history():  # the clock may have been set back; the newest stays the newest
            last = datetime.strptime(Path(known[0]).stem, _STAMP).replace(tzinfo=UTC)
            now = max(now, last + timedelta(microseconds=1))
        stamp = now.strftime(_STAMP)
        with writing(self._history), open_private(self._history / f"{stamp}.yaml") as file:
            file.write(text.encode())
        for name in self.history()[KEPT:]:
            (self._history / name).unlink(missing_ok=True)


def _dialect(text: str) -> YAML:
    """Reads and writes in the style of a text."""
    dialect = YAML()
    dialect.preserve_quotes = True
    dialect.width = 4096
    found = re.search(r"^( *)- ", text, re.MULTILINE)
    offset = len(found[1]) if found else 2
    dialect.indent(mapping=2, sequence=offset + 2, offset=offset)
    return dialect


def _find(cameras: list[Any], name: str) -> int | None:
    """The place of a camera in the file's list."""
    names = [str(entry.get("name", "")) if isinstance(entry, dict) else "" for entry in cameras]
    if name in names:
        return names.index(name)
    try:  # those without a name have one that comes from their address
        resolved = [camera.name for camera in Config.model_validate({"cameras": _plain(cameras)}).cameras]
    except ValueError:
        return None
    return resolved.index(name) if len(resolved) == len(cameras) and name in resolved else None


def _plain(value: Any) -> Any:
    """Lists and mappings as YAML has them; points stay on one line; text stays text (a zone `on`, a title `12:30`)."""
    if isinstance(value, str):
        tag = _LOADED.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
        quoted = tag != "tag:yaml.org,2002:str"
        return DoubleQuotedScalarString(value) if quoted else value
    if isinstance(value, Mapping):
        return CommentedMap({_plain(str(key)): _plain(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        row = CommentedSeq([_plain(item) for item in value])
        if not any(isinstance(item, Mapping) for item in value):
            row.fa.set_flow_style()
        return row
    return value


__all__ = ["KEPT", "ConfigError", "OutputError", "SiteFile"]
