"""Files that commands write: checked before the work begins, and put in place only when they are complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from relaytrack.reid.errors import ReidOutputError
from relaytrack.reid.picture_kinds import is_picture

ROOM = 1 << 16
"""Bytes that must be free where something is to be written whose size is not known."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into one sentence.

    Raises:
        ReidOutputError: instead of any OSError; names the file and the reason.
    """
    try:
        yield
    except OSError as error:
        raise ReidOutputError(f"cannot write {path}: {error.strerror or error}") from error


def need_room(folder: Path, room: int = ROOM) -> None:
    """See that a file of `room` bytes can be made in a folder; none is left behind.

    A full disk and a used-up quota take new files, as long as they are empty.

    Raises:
        OSError: the system refuses.
    """
    with TemporaryFile(dir=folder) as probe:
        if room and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(probe.fileno(), 0, room)
                return
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                    raise
        probe.write(bytes(min(room, ROOM)))
        probe.flush()


def check_folder(folder: Path, room: int = ROOM) -> None:
    """Make a folder, and see that files of `room` bytes can be made in it.

    Raises:
        ReidOutputError: it is a file, cannot be made, takes no files, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        need_room(folder, room)
    except FileExistsError as error:
        raise ReidOutputError(f"cannot write to {folder}: it is a file, not a folder") from error
    except OSError as error:
        raise ReidOutputError(f"cannot write to {folder}: {error.strerror or error}") from error


def reads_itself(path: Path, inputs: Iterable[Path | str | None]) -> str | None:
    """What is wrong where a file that is to be written is one of those that are read; None where it is none.

    Args:
        path: the file.
        inputs: files, and folders of pictures; what is not there does no harm. Links count as what they lead to.
    """
    if not path.is_file():
        return None
    for one in inputs:
        if one is None or not os.path.exists(one):
            continue
        if os.path.samefile(path, one):
            return f"{path}: is the input itself, which would be lost; write to another file"
        if os.path.isdir(one) and is_picture(path) and path.resolve().is_relative_to(Path(one).resolve()):
            return f"{path}: is one of the pictures that are read, and would be lost; write to another file"
    return None


def check_target(path: Path, like: Path | None = None, inputs: Iterable[Path | str | None] = ()) -> None:
    """Make the folder of a file, and see that the file can be written.

    Call it before long work, so that nothing is computed which cannot be stored.

    Args:
        path: the file.
        like: a file of about the size that `path` will have; there must be room for it.
        inputs: what is read; it must not be written over.

    Raises:
        ReidOutputError: the path is a folder or an input, its folder takes no files, or the disk is full.
    """
    if path.is_dir():
        raise ReidOutputError(f"cannot write {path}: it is a folder")
    wrong = reads_itself(path, inputs)
    if wrong is not None:
        raise ReidOutputError(wrong)
    if path.exists() and not os.access(path, os.W_OK):
        raise ReidOutputError(f"cannot write {path}: no permission to change it")
    if _is_device(path):
        return
    size = like.stat().st_size if like is not None and like.is_file() else 0
    check_folder(path.resolve().parent, max(size, ROOM))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is either the old or the complete new one, whatever happens meanwhile.

    Raises:
        ReidOutputError: it cannot be written; what was there before stays.
    """
    if _is_device(path):
        with writing(path):
            path.write_bytes(data)
        return
    target = path.resolve()  # a link stays a link
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with writing(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def _is_device(path: Path) -> bool:
    """Whether it is a device or a pipe, such as /dev/stdout, which can be written and not replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()
