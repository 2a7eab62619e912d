"""How FFmpeg is told a file's name."""

from __future__ import annotations

from pathlib import Path


def file_address(path: str | Path) -> str:
    """The address by which FFmpeg opens a local file, whatever it is called.

    A bare `10:30/a.mp4` would be an address with the scheme `10`.
    """
    return f"file:{path}"
