"""The people's pictures `crops/<id>.jpg`: each is the best picture of one of the person's tracks."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from relaytrack.pipeline.results.folder import write_bytes


def write_picture(folder: Path, identity: int, best: str) -> str:
    """Copy a track's picture to be that of the person.

    Args:
        folder: the output folder.
        identity: the person.
        best: the track's picture, below the folder.

    Returns:
        The picture's name below the folder.

    Raises:
        OutputError: it cannot be written.
    """
    name = f"crops/{identity}.jpg"
    write_bytes(folder / name, (folder / best).read_bytes(), durable=False)
    return name


def remove_other_pictures(folder: Path, kept: Collection[str]) -> None:
    """Remove pictures of people who are no more; `kept` are names below the folder."""
    for path in (folder / "crops").glob("*.jpg"):
        if path.stem.isascii() and path.stem.isdecimal() and f"crops/{path.name}" not in kept:
            path.unlink()
