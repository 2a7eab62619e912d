"""Files of live runs: cut into segments by time, the oldest removed beyond a disk limit.

A segment of camera `gate` is `video/gate/20261120T133000+0100.mp4`, `tracks/gate/20261120T133000+0100.txt` and so
on; its name is the time of its first frame, as the clock in its pictures shows it (`relaytrack.pipeline.dates`). A
pause longer than a video stands still (`relaytrack.pipeline.render.pauses`) begins a new segment too.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from relaytrack.pipeline.dates import by_start, stamp
from relaytrack.pipeline.records import FrameInfo
from relaytrack.pipeline.render.pauses import is_long
from relaytrack.pipeline.sinks.base import Step

KINDS = ("video", "tracks", "global")


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
        name = stamp(epoch)
        folder, suffix = self._single.with_suffix(""), self._single.suffix
        path, again = folder / f"{name}{suffix}", 1
        while path.exists():
            again += 1
            path = folder / f"{name}-{again}{suffix}"
        return path


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
        old: list[tuple[float, Path, int]] = []
        total = 0
        for camera in (child for kind in KINDS for child in self._folder.glob(f"{kind}/*") if child.is_dir()):
            files = by_start(camera.iterdir())
            sizes = [path.stat().st_size for _, path in files]
            total += sum(sizes)
            old.extend((*file, size) for file, size in zip(files[:-1], sizes[:-1], strict=True))
        for _, path, size in sorted(old):
            if total <= self._limit:
                break
            path.unlink(missing_ok=True)
            total -= size

    def close(self) -> None:
        """Nothing is open."""
