"""`tracks/<camera>.txt` and `global/<camera>.txt`, written as frames go by; see `pipeline.results.track_rows`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.records import FrameTracks, Step
from relaytrack.pipeline.results.correction import Correction, correct_rows
from relaytrack.pipeline.results.text_file import TextFile
from relaytrack.pipeline.results.track_rows import KINDS, TrackRows
from relaytrack.pipeline.sinks.segments import Segments


def mot_lines(tracks: FrameTracks, ids: NDArray[np.int64]) -> bytes:
    """The lines of one frame, ordered as its tracks are.

    Args:
        tracks: the frame's N tracks.
        ids: (N,) which ids to write: the camera's own or the global ones.
    """
    boxes = tracks.xyxy + np.array([*tracks.frame.roi_origin, *tracks.frame.roi_origin], np.float32)
    return TrackRows.of(np.full(len(ids), tracks.frame.index), ids, boxes, tracks.scores).text()


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
        if self._segment is None:
            if key not in self._files:
                self._files[key] = TextFile(self._single(*key))
            return self._files[key]
        if key not in self._segments:
            self._segments[key] = Segments(self._single(*key), self._segment)
        path = self._segments[key].next_path(tracks.frame)
        if path is not None:
            if key in self._files:
                self._files.pop(key).close()
            self._files[key] = TextFile(path)
        return self._files[key]

    def _single(self, kind: str, camera: str) -> Path:
        """The file of a run over recordings, whose name those of segments begin with."""
        return self._folder / kind / f"{camera}.txt"

    def resume(self) -> None:
        """After a failure: every camera goes on in new files; the single files of a run that is not cut stay open."""
        if self._segment is not None:
            files, self._files = self._files, {}
            self._segments.clear()
            for file in files.values():
                with suppress(OSError):
                    file.close()

    def camera_added(self, camera: CameraConfig) -> None:
        """Its files begin with its first frame."""

    def camera_removed(self, name: str) -> None:
        """Close the camera's files."""
        for kind in KINDS:
            self._segments.pop((kind, name), None)
            file = self._files.get((kind, name))
            if file is not None and self._segment is not None:
                self._files.pop((kind, name)).close()

    def corrected(self, correction: Correction) -> None:
        """Change the lines of tracks that are somebody else, or of nobody any more.

        Raises:
            OutputError: a file cannot be written.
        """
        if self._segment is None:
            return
        for file in self._files.values():
            file.close()
        try:
            correct_rows(self._folder, correction)
        finally:
            self._files = {key: TextFile(file.path, append=True) for key, file in self._files.items()}

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
