"""Results that a command writes beside a run (`--out FILE`, `--plots DIR`): looked at first, written as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from relaytrack.pipeline.errors import OutputError
from relaytrack.reid.errors import ReidOutputError
from relaytrack.reid.outputs import ROOM, need_room, reads_itself, write_whole


def check_single_file(path: Path, inputs: Iterable[Path | str | None] = ()) -> None:
    """Refuse a file that cannot be written; what it holds is left as it is, and a new one is not left behind.

    Args:
        path: the file.
        inputs: what is read; it must not be written over.

    Raises:
        OutputError: it is an input or a folder, its folder is not there, the disk is full, or the system refuses.
    """
    wrong = reads_itself(path, inputs)
    if wrong is not None:
        raise OutputError(wrong)
    new = not path.exists()
    try:
        with open(path, "ab"):
            pass
        if new:
            path.unlink()
        if new or path.is_file():  # no device or pipe
            need_room(path.resolve().parent)
    except OSError as error:
        reason = "no such folder" if isinstance(error, FileNotFoundError) else error.strerror or type(error).__name__
        raise OutputError(f"{path}: cannot be written: {reason}") from None


def check_folder(path: Path, room: int = ROOM) -> None:
    """Refuse a folder in which no file of `room` bytes can be made; one that is not there yet is not made.

    Raises:
        OutputError: it or a folder above it is a file or a link to nowhere, the disk is full, or the system refuses.
    """
    there = path
    while not there.exists() and there != there.parent:
        if there.is_symlink():
            raise OutputError(f"cannot write to {path}: {'it' if there == path else there} is a link to nowhere")
        there = there.parent
    if not there.is_dir():
        what = "it" if there == path else there
        raise OutputError(f"cannot write to {path}: {what} is a file, not a folder")
    try:
        need_room(there, room)
    except OSError as error:
        raise OutputError(f"cannot write to {path}: {error.strerror or type(error).__name__}") from None


def write_single_file(path: Path, data: bytes) -> None:
    """Write a file so that it is either the old or the complete new one, whatever happens meanwhile.

    Raises:
        OutputError: its folder is not there, or it cannot be written; what was there before stays.
    """
    check_single_file(path)
    try:
        write_whole(path, data)
    except ReidOutputError as error:
        raise OutputError(str(error)) from None
