"""Files of live runs: cut into segments by time, the oldest removed beyond a disk limit.

A segment of camera `gate` is `video/gate/20261120T133000+0100.mp4`, `tracks/gate/20261120T133000+0100.txt` and so
on; its name is the time of its first frame, as the clock in its pictures shows it (`relaytrack.pipeline.dates`). A
pause longer than a video stands still (`relaytrack.pipeline.pauses`) begins a new segment too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from contextlib import suppress
from operator import itemgetter
from pathlib import Path

from relaytrack.pipeline.dates import by_start, free_path, stamp
from relaytrack.pipeline.pauses import is_long
from relaytrack.pipeline.records import FrameInfo
from relaytrack.pipeline.sinks.base import Step

KINDS = ("video", "tracks", "global")
DatedFile = tuple[float, Path]
"""When a file begins, seconds since 1970, and its path."""


class Segments:
    """Says which file a frame of one camera belongs to.

    Args:
        single: the file of a run that is not cut, such as `DIR/video/gate.mp4`; the segments of a live run lie
            in the folder of that name without its ending.
        seconds: length of a segment on the run's clock; None does not cut.
    """

    def __init__(self, single: Path, seconds: float | None = None) -> None:
        self._single = single
        self._seconds = seconds
        self._number: int | None = None
        self._last = math.inf

    def next_path(self, frame: FrameInfo) -> Path | None:
        """The path of a new file if `frame` is the first that belongs there, else None."""
        number = 0 if self._seconds is None else math.floor(frame.time / self._seconds)
        paused = self._seconds is not None and is_long(frame.time - self._last)
        self._last = frame.time
        if number == self._number and not paused:
            return None
        self._number = number
        if self._seconds is None:
            return self._single
        epoch = time.time() if frame.epoch is None else frame.epoch
        return free_path(self._single.with_suffix("") / f"{stamp(epoch)}{self._single.suffix}")


def segments(folder: Path) -> tuple[list[DatedFile], list[DatedFile]]:
    """The segments of a live run, whatever their kind: the complete ones, and the newest of every camera.

    The newest ones are being written while the run goes on.
    """
    complete: list[DatedFile] = []
    newest: list[DatedFile] = []
    for camera in (child for kind in KINDS for child in folder.glob(f"{kind}/*") if child.is_dir()):
        files = by_start(camera.iterdir())
        complete += files[:-1]
        newest += files[-1:]
    return complete, newest


def remove_oldest(files: Iterable[DatedFile], limit: float, *, before: float | None = None) -> None:
    """Remove the oldest files until the rest is within a limit.

    Args:
        files: in any order; those that are gone already count nothing.
        limit: bytes that they may take together.
        before: files that were last written before this time (seconds since 1970) are removed in any case.
    """
    states = {}
    for start, path in files:
        with suppress(FileNotFoundError):
            states[start, path] = path.stat()
    total = sum(state.st_size for state in states.values())
    for (_, path), state in sorted(states.items(), key=itemgetter(0)):
        aged = before is not None and state.st_mtime < before
        if aged or total > limit:
            path.unlink(missing_ok=True)
            total -= state.st_size


class DiskLimit:
    """A sink that removes the oldest segments when a live run's files grow beyond a limit.

    The newest file of every camera is being written and stays.

    Args:
        folder: the output folder.
        limit: bytes that all segments together may take.
        every: seconds of the run's clock between two looks.
    """

    def __init__(self, folder: Path, limit: float, every: float = 10.0) -> None:
        self._folder = folder
        self._limit = limit
        self._every = every
        self._due = -math.inf

    def write(self, step: Step) -> None:
        """Look at the disk when it is time to."""
        if step.time >= self._due:
            self._due = step.time + self._every
            self.enforce()

    def enforce(self) -> None:
        """Remove the oldest segments, whatever their kind, until the rest is within the limit."""
        complete, growing = segments(self._folder)
        remove_oldest(complete, self._limit - sum(path.stat().st_size for _, path in growing))

    def close(self) -> None:
        """Nothing is open."""
