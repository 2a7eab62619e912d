"""The output folder: created or checked before a run, and how files in it are written.

Files are readable by their owner only, folders that RelayTrack makes are too. `.relaytrack.json` marks a folder
as RelayTrack's and names the cameras, so that `overwrite` removes exactly what an earlier run wrote.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

from relaytrack.pipeline.config.schema import CAMERA_NAME, Config
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.identity.store_lock import END
from relaytrack.pipeline.results.result_names import PARTIAL, SUFFIX, holds_results_alone, results_of
from relaytrack.pipeline.results.run_lock import is_held
from relaytrack.pipeline.results.single_file import check_folder
from relaytrack.reid.outputs import ROOM
from relaytrack.trackers.textfile import read_text

MARKER = ".relaytrack.json"
_WAYS_OUT = "choose another one or add --overwrite (a live run goes on in its folder with --resume)"


def check_output(folder: str | os.PathLike[str], *, overwrite: bool = False, resume: bool = False) -> None:
    """Refuse a folder that a run must not write to; what it holds is left as it is, and a new one is not made.

    Raises:
        OutputError: a file stands there, no file can be made there, or the folder is not empty and `overwrite` is off.
    """
    path = Path(folder)
    _look(path, overwrite=overwrite, resume=resume)
    check_folder(path, 0 if resume else ROOM)  # a run that goes on may have old segments to delete


def prepare_output(config: Config) -> Path:
    """Create the output folder, or check the one that is there, and mark it.

    With `output.resume` what an earlier start wrote stays. With `output.overwrite` the folder need not be empty: what
    an earlier run wrote there is removed, files of anybody else are never touched.

    Args:
        config: the whole configuration: `output.dir`, `output.overwrite` and the cameras' names matter.

    Returns:
        The folder as a path.

    Raises:
        OutputError: the folder is not empty and `output.overwrite` is off, cannot be created or written, or a file
            that RelayTrack did not write stands where it would write one.
    """
    path, cameras = config.output.folder, [camera.name for camera in config.cameras]
    found = _look(path, overwrite=config.output.overwrite, resume=config.output.resume)
    if found == "goes on":
        mark_cameras(path, cameras)
        return path
    with writing(path, "create the output folder"):
        make_folder(path)
    if found == "filled":
        with writing(path, "clear the output folder"):
            _remove_results(path, config.output.store)
        kept = store_files(config.output.store)
        left = [one for one in results_of(path, cameras) if one.resolve() not in kept]
        foreign = [one for one in left if one.exists() or one.is_symlink()]
        if foreign:
            raise OutputError(f"output file {foreign[0]} exists and was not written by RelayTrack")
    write_atomically(path / MARKER, json.dumps({"format": 1, "cameras": cameras}) + "\n")
    return path


def _look(path: Path, *, overwrite: bool, resume: bool) -> Literal["free", "filled", "goes on"]:
    """What an output folder holds: nothing (it may not be there), something to overwrite, or a run that is resumed.

    Raises:
        OutputError: as of `check_output`.
    """
    if path.exists() and not path.is_dir():
        raise OutputError(f"output folder {path}: there is a file of that name")
    with writing(path, "read the output folder"):
        filled = path.exists() and _is_filled(path)
    if not filled:
        return "free"
    if is_held(path):
        raise OutputError(f"output folder {path}: another run is writing into it")
    if resume and (_marked_cameras(path) is not None or holds_results_alone(path)):  # the marker may have been lost
        return "goes on"
    if not overwrite:
        raise OutputError(f"output folder {path} is not empty: {_WAYS_OUT}")
    return "filled"


def _is_filled(path: Path) -> bool:
    """Whether there is anything in a folder; the rest of a marker whose writing was cut off by a kill is nothing."""
    return any(one.name != MARKER + PARTIAL for one in path.iterdir())


def mark_cameras(folder: Path, names: Sequence[str]) -> None:
    """Note that cameras joined a run while it went on.

    Raises:
        OutputError: the marker cannot be written.
    """
    known = _marked_cameras(folder) or []
    names = [*known, *(name for name in names if name not in known)]
    write_atomically(folder / MARKER, json.dumps({"format": 1, "cameras": names}) + "\n")


def store_files(store: str | None) -> set[Path]:
    """The files of the store of identities that this run uses."""
    return set() if store is None else {Path(store + end).resolve() for end in ("", "-wal", "-shm", END)}


def results_to_remove(folder: Path, store: str | None) -> list[Path]:
    """The results of the run that the marker names, except this run's store; without a marker nothing."""
    cameras, kept = _marked_cameras(folder), store_files(store)
    found = [] if cameras is None else [path for path in results_of(folder, cameras) if path.is_file()]
    return [path for path in found if not path.is_symlink() and path.resolve() not in kept]


def _remove_results(folder: Path, store: str | None) -> None:
    """Remove them, the folders that are empty then, and the marker."""
    cameras = _marked_cameras(folder)
    if cameras is None:
        return
    for found in results_to_remove(folder, store):
        found.unlink()
    subfolders = [folder / kind / camera for kind in SUFFIX for camera in cameras]
    for subfolder in (*subfolders, *(folder / kind for kind in SUFFIX)):
        if subfolder.is_dir() and not subfolder.is_symlink():
            with suppress(OSError):  # not empty: something foreign is in it
                subfolder.rmdir()
    (folder / MARKER).unlink()


def remove_run(folder: Path, *, whole: bool = True, store: str | None = None) -> None:
    """Remove what a run wrote but for its `store`, and its folder if nothing else is in it (`whole`).

    Raises:
        OutputError: a file cannot be removed.
    """
    with writing(folder, "remove"):
        _remove_results(folder, store)
    if whole:
        with suppress(OSError):
            folder.rmdir()


def _marked_cameras(folder: Path) -> list[str] | None:
    """The cameras of the run that wrote into `folder`, or None where the marker is absent or not ours."""
    marker = folder / MARKER
    if marker.is_symlink() or not marker.is_file():
        return None
    try:
        cameras = json.loads(read_text(marker))["cameras"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(cameras, list):
        return None
    return [name for name in cameras if isinstance(name, str) and CAMERA_NAME.fullmatch(name)]


def make_folder(path: Path) -> None:
    """Create a folder and those above it that are missing, all for their owner only.

    Raises:
        OSError: one of them cannot be created or is a file; `strerror` says which.
    """
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{path} is a file, not a folder")
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def writing(path: Path | str, action: str = "write") -> Iterator[None]:
    """Turn the operating system's errors inside into one line that names `path`.

    Raises:
        OutputError: in place of an OSError (disk full, not writable, ...).
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(f"cannot {action} {path}: {reason}") from error


def open_private(path: Path | str, mode: str = "wb", *, buffering: int = -1) -> IO[Any]:
    """Open a file for writing that only its owner can read; its folder is made if need be.

    Args:
        path: the file.
        mode: as of `open`.
        buffering: as of `open`; 0 hands every write to the operating system at once.

    Raises:
        OutputError: the folder or the file cannot be written.
    """

    def owner_only(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600)

    def opened() -> IO[Any]:
        encoding = None if "b" in mode else "utf-8"
        return open(path, mode, buffering=buffering, encoding=encoding, opener=owner_only)

    with writing(path):
        try:
            return opened()
        except (FileNotFoundError, NotADirectoryError):
            make_folder(Path(os.path.dirname(path)))
            return opened()


def write_bytes(path: Path | str, data: bytes | Iterable[bytes], *, durable: bool = True) -> None:
    """Write a whole file atomically: a reader finds the old content or the new one, never a part.

    Args:
        path: the file; a `str` where a run of weeks writes ever new names. `Path` puts each part of a name into
            Python's table of strings, and Python 3.12 before 3.12.6 never takes it out.
        data: its new content, whole or in parts.
        durable: wait until the disk has it, so that it also outlives a power failure; slow for many files.

    Raises:
        OutputError: it cannot be written; what was there before is kept.
    """
    partial = os.fspath(path) + PARTIAL
    stream = open_private(partial)
    try:
        with writing(path):
            with stream:
                stream.writelines([data] if isinstance(data, bytes) else data)
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            os.replace(partial, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(partial)
        raise


def write_atomically(path: Path, text: str) -> None:
    """`write_bytes` for text, as UTF-8; file names that are no text are written with backslashes."""
    write_bytes(path, text.encode(errors="backslashreplace"))
