"""The people's pictures `crops/<id>.jpg`: each is the best picture of one of the person's tracks."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.folder import write_bytes, writing


def write_picture(folder: Path, identity: int, best: str) -> str | None:
    """Copy a track's picture to be that of the person.

    Args:
        folder: the output folder.
        identity: the person.
        best: the track's picture, below the folder.

    Returns:
        The picture's name below the folder; None where the track's picture is no longer there.

    Raises:
        OutputError: it cannot be read or written.
    """
    name, source = f"crops/{identity}.jpg", os.path.join(folder, best)
    try:
        with writing(source, "read"), open(source, "rb") as stream:
            data = stream.read()
    except OutputError:
        if os.path.exists(source):
            raise
        return None
    write_bytes(os.path.join(folder, name), data, durable=False)
    return name


def remove_other_pictures(folder: Path, kept: Collection[str]) -> None:
    """Remove pictures of people who are no more; `kept` are names below the folder.

    Raises:
        OutputError: one cannot be deleted.
    """
    for path in (folder / "crops").glob("*.jpg"):
        if path.stem.isascii() and path.stem.isdecimal() and f"crops/{path.name}" not in kept:
            with writing(path, "delete"):
                path.unlink()
