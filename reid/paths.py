"""Paths as people write them: one function for every path of every configuration and option."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

_SCHEME = "file:"


def plain_path(text: str) -> str:
    """Return the path that `text` means.

    `~` and `~name` become the home folder, `file:///a/sp%20ace` and `file:/a/sp%20ace` become `/a/sp ace`. A file that
    is really called `~name` or `file:name` stays what it is. Anything else, an address such as `rtsp://...` too, is
    returned unchanged.

    Args:
        text: a path or a `file://` address.

    Returns:
        The path; relative ones stay relative.

    Raises:
        ValueError: there is a character in it that no path can have.
    """
    if "\0" in text:
        raise ValueError("a path cannot have a null character in it")
    if text[: len(_SCHEME)].lower() == _SCHEME and not os.path.lexists(text):
        rest = text[len(_SCHEME) :]
        if rest.startswith("//"):
            rest = rest[2:]
            host, slash, below = rest.partition("/")
            if host.lower() == "localhost" and slash:
                rest = slash + below
        text = rest if os.path.exists(rest) else unquote(rest)
    if text.startswith("~") and (text[1:2] in ("", "/") or not os.path.lexists(text)):
        return os.path.expanduser(text)
    return text


def file_path(text: str) -> Path:
    """`plain_path` as a `Path`, for options of the command line."""
    return Path(plain_path(text))
