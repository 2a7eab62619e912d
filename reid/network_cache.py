"""Exported networks, kept from one start to the next in the user's cache folder.

Exporting a network to ONNX takes seconds, reading the result a fraction of one. A file is named after everything that
the export depends on: the bytes of the weights, this package's version and source, and the versions of torch and onnx.
So a file never goes stale; it is only no longer asked for. The cache is a help and never a condition: when it cannot
be read or written, the network is exported as if there were none.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import platformdirs
import torch

KEPT = 16
"""Files that the cache holds; the ones unused for longest go first."""

_DIGEST = hashlib.sha256().digest_size
_SOURCES = ("*head*.py", "export.py", "folding.py", "model.py", "stripes.py", "attention/*.py", "backbones/*.py")

log = logging.getLogger(__name__)


def cached_network(weights: Path, make: Callable[[], bytes]) -> bytes:
    """The ONNX form of a weight file: from the cache, or made now and put there.

    Several processes may ask at once: each reads whole files only, and the last to finish wins with the same bytes.

    Args:
        weights: the weight file.
        make: exports it.

    Raises:
        OSError: the weight file cannot be read.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    path = folder / f"{_key(weights)}.onnx"
    known = _read(path)
    if known is not None:
        return known
    made = make()
    _write(path, made)
    return made


def cache_folder() -> Path | None:
    """The folder `networks` in the user's cache folder (XDG_CACHE_HOME on Linux); None where there is no home."""
    try:
        folder = platformdirs.user_cache_path("relaytrack", appauthor=False) / "networks"
    except (OSError, RuntimeError):
        return None
    return folder if folder.is_absolute() else None  # without a home the path begins with "~"


def _key(weights: Path) -> str:
    key = hashlib.sha256(_program().encode())
    key.update(hashlib.sha256(weights.read_bytes()).digest())
    return key.hexdigest()


@cache
def _program() -> str:
    """What exports: versions, and the source of all modules that have a part in it."""
    source = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted(path for pattern in _SOURCES for path in here.glob(pattern)):
        source.update(path.read_bytes())
    return f"{_version('relaytrack')} {source.hexdigest()} torch {torch.__version__} onnx {_version('onnx')}"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _read(path: Path) -> bytes | None:
    """The network in a file of the cache; None where there is none, or one that is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    body = data[_DIGEST:]
    if hashlib.sha256(body).digest() != data[:_DIGEST]:
        log.debug("%s is damaged and is made anew", path)
        return None
    with suppress(OSError):
        os.utime(path)  # used now: the last to be thrown away
    return body


def _write(path: Path, network: bytes) -> None:
    """Put a network in its place in one step, the digest of its bytes before it."""
    part = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            part.write_bytes(hashlib.sha256(network).digest() + network)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        _prune(path.parent)
    except OSError as error:
        log.debug("the exported network is not kept: %s", error)


def _prune(folder: Path) -> None:
    by_age = sorted(folder.glob("*.onnx"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in by_age[KEPT:]:
        path.unlink(missing_ok=True)
