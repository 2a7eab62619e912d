"""`tracks/<camera>.txt` and `global/<camera>.txt`: MOTChallenge lines, written as frames go by.

A line is `frame,id,x,y,w,h,conf,-1,-1,-1`: the 1-based number of the frame in its own source, the id, the box's
top left corner and size in pixels of the source's full picture (a camera's region of interest does not move it;
0 is the left edge of the first pixel), and the detection score.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.clock import WallClock
from relaytrack.pipeline.records import Floats, FrameTracks
from relaytrack.pipeline.results.folder import open_private, writing
from relaytrack.pipeline.sinks.base import Step
from relaytrack.pipeline.sinks.segments import Segments


def mot_line(frame: int, identity: int, xyxy: Floats, score: float) -> bytes:
    """One line with its line feed; `xyxy` (4,) in pixels of the source's full picture."""
    x1, y1, x2, y2 = (float(value) for value in xyxy)
    return b"%d,%d,%.2f,%.2f,%.2f,%.2f,%.3f,-1,-1,-1\n" % (frame, identity, x1, y1, x2 - x1, y2 - y1, score)


def mot_lines(tracks: FrameTracks, ids: NDArray[np.int64]) -> bytes:
    """The lines of one frame, ordered as its tracks are.

    Args:
        tracks: the frame's N tracks.
        ids: (N,) which ids to write: the camera's own or the global ones.
    """
    boxes = tracks.xyxy + np.array([*tracks.frame.origin, *tracks.frame.origin], np.float32)
    index = tracks.frame.index
    return b"".join(
        mot_line(index, identity, box, score)
        for identity, box, score in zip(ids.tolist(), boxes, tracks.scores.tolist(), strict=True)
    )


class TextFile:
    """A text file that only ever holds whole lines: each write goes to the operating system in one call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[Any] = open_private(path, buffering=0)
        self.size = 0

    def write(self, lines: bytes) -> None:
        """Append whole lines.

        Raises:
            OutputError: the disk is full; what did not fit as a whole is taken back.
        """
        with writing(self.path):
            try:
                done = 0
                while done < len(lines):
                    done += self._file.write(lines[done:])
                self.size += done
            except OSError:
                with suppress(OSError):
                    self._file.truncate(self.size)
                raise

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return bool(self._file.closed)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class MotSink:
    """Text files of every camera, one pair per camera, or per segment of a live run.

    Args:
        folder: the output folder; `tracks/` and `global/` lie in it.
        cameras: the cameras' names; a camera that sees nobody gets empty files.
        segment: seconds per file of a live run; None for one file.
        clock: names the segments.
    """

    def __init__(
        self,
        folder: Path,
        cameras: Sequence[str],
        *,
        segment: float | None = None,
        clock: WallClock | None = None,
    ) -> None:
        clock = clock or WallClock()
        self._segments = {
            (kind, name): Segments(folder / kind / f"{name}.txt", segment, clock)
            for kind in ("tracks", "global")
            for name in cameras
        }
        self._files: dict[tuple[str, str], TextFile] = {}
        if segment is None:  # the files are there from the start, also those of a camera that sees nobody
            for kind, name in self._segments:
                self._files[kind, name] = TextFile(folder / kind / f"{name}.txt")
        self._cut = segment is not None

    def write(self, step: Step) -> None:
        """Append the step's tracks.

        Raises:
            OutputError: a file cannot be written.
        """
        for tracks in step:
            for kind, ids in (("tracks", tracks.ids), ("global", tracks.global_ids)):
                key = (kind, tracks.frame.camera)
                path = self._segments[key].next_path(tracks.frame) if self._cut else None
                if path is not None:
                    if key in self._files:
                        self._files[key].close()
                    self._files[key] = TextFile(path)
                if len(ids):
                    self._files[key].write(mot_lines(tracks, ids))

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
