"""Which files are pictures by their names: those that are read, and those that are known but cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

READ = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".avif", ".jp2"})
"""Endings of the pictures that are read. Of an animated one (.gif, .webp) the first picture is taken."""

_NOT_READ = frozenset(
    {".heic", ".heif", ".hif", ".jxl", ".psd", ".tga", ".exr", ".hdr", ".raw", ".dng", ".cr2", ".nef"}
)


def is_picture(path: Path) -> bool:
    """Whether the name is that of a picture that is read."""
    return path.suffix.lower() in READ


def left_out(paths: Iterable[Path]) -> str | None:
    """What to say of files that are pictures of other kinds; None where there are none.

    Args:
        paths: the files of a folder, whatever they are.
    """
    counts = Counter(path.suffix.lower() for path in paths if path.suffix.lower() in _NOT_READ)
    if not counts:
        return None
    total, kinds = sum(counts.values()), " and ".join(sorted(counts))
    pictures = "1 picture of a kind that is not read is" if total == 1 else f"{total} pictures of kinds not read are"
    return f"{pictures} left out ({kinds}): save as .jpg or .png what is needed"
