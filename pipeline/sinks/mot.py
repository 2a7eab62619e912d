"""`tracks/<camera>.txt` and `global/<camera>.txt`: MOTChallenge lines, written as frames go by.

A line is `frame,id,x,y,w,h,conf,-1,-1,-1`: the 1-based number of the frame in its own source, the id, the box's
top left corner and size in pixels of the source's full picture (a camera's region of interest does not move it;
0 is the left edge of the first pixel), and the detection score.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.records import Floats, FrameTracks, Step
from relaytrack.pipeline.results.text_file import TextFile
from relaytrack.pipeline.sinks.segments import Segments

KINDS = ("tracks", "global")


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
    boxes = tracks.xyxy + np.array([*tracks.frame.roi_origin, *tracks.frame.roi_origin], np.float32)
    index = tracks.frame.index
    return b"".join(
        mot_line(index, identity, box, score)
        for identity, box, score in zip(ids.tolist(), boxes, tracks.scores.tolist(), strict=True)
    )


class MotSink:
    """Text files of every camera, one pair per camera, or per segment of a live run.

    Args:
        folder: the output folder; `tracks/` and `global/` lie in it.
        cameras: the cameras' names at the start; one that sees nobody gets empty files.
        segment: seconds per file of a live run; None for one file.
    """

    name = "text"

    def __init__(self, folder: Path, cameras: Sequence[str], *, segment: float | None = None) -> None:
        self._folder = folder
        self._segment = segment
        self._segments: dict[tuple[str, str], Segments] = {}
        self._files: dict[tuple[str, str], TextFile] = {}
        if segment is None:  # the files are there from the start, also those of a camera that sees nobody
            for name in cameras:
                for kind in KINDS:
                    self._files[kind, name] = TextFile(folder / kind / f"{name}.txt")

    def write(self, step: Step) -> None:
        """Append the step's tracks.

        Raises:
            OutputError: a file cannot be written.
        """
        for tracks in step:
            for kind, ids in (("tracks", tracks.ids), ("global", tracks.global_ids)):
                file = self._file(kind, tracks)
                if len(ids):
                    file.write(mot_lines(tracks, ids))

    def _file(self, kind: str, tracks: FrameTracks) -> TextFile:
        """The file that a frame's lines go to."""
        key = (kind, tracks.frame.camera)
        single = self._folder / kind / f"{tracks.frame.camera}.txt"
        if self._segment is None:
            if key not in self._files:
                self._files[key] = TextFile(single)
            return self._files[key]
        path = self._segments.setdefault(key, Segments(single, self._segment)).next_path(tracks.frame)
        if path is not None:
            if key in self._files:
                self._files.pop(key).close()
            self._files[key] = TextFile(path)
        return self._files[key]

    def camera_added(self, camera: CameraConfig) -> None:
        """Its files begin with its first frame."""

    def camera_removed(self, name: str) -> None:
        """Close the camera's files."""
        for kind in KINDS:
            self._segments.pop((kind, name), None)
            file = self._files.get((kind, name))
            if file is not None and self._segment is not None:
                self._files.pop((kind, name)).close()

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
