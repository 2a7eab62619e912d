"""Boxes are drawn on the footage in which they were found, and on no other.

A source is opened anew by its name. By then another file may lie there, or the recording may have been cut or have
grown. `check_footage` looks before anything is drawn, `FramesAgain` while it is read, which is all that can be done
for a stream.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.config.urls import shown_address
from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.results.identities import CameraRecord
from relaytrack.pipeline.results.run_file import known_of_run
from relaytrack.pipeline.sources import footage_of

_NOT_DRAWN = "so its video cannot be drawn anew"


def check_footage(folder: Path, cameras: Iterable[CameraConfig]) -> None:
    """See that each camera's file or folder still is, or begins with, the recording of the run in `folder`.

    Raises:
        SourceError: another recording is in its place.
    """
    kept = _kept(folder)
    for camera in cameras:
        before = kept.get(camera.name or "")
        if not isinstance(before, dict):  # of an earlier version, or a stream
            continue
        now = footage_of(camera, before)
        if now is not None and now != before:  # opening tells of one that is gone
            raise SourceError(
                f"camera {camera.name!r}: its recording was replaced or changed since the run, {_NOT_DRAWN}: "
                f"{shown_address(camera.url)}"
            )


class FramesAgain:
    """Counts the frames that are read again, and leaves out those that came to a recording after the run.

    Args:
        records: what came of each camera in the run.
    """

    def __init__(self, records: Mapping[str, CameraRecord]) -> None:
        self._records = records
        self._read: Counter[str] = Counter()
        self._over: set[str] = set()

    @property
    def over(self) -> bool:
        """Whether all frames of the run were read."""
        return len(self._over) == len(self._records)

    def of_the_run(self, frames: Iterable[Frame]) -> list[Frame]:
        """Those of `frames` that the run saw, too."""
        kept = []
        for frame in frames:
            record = self._records.get(frame.camera)
            if record is None or frame.index <= record.last_index:
                kept.append(frame)
                self._read[frame.camera] += 1
            if record is not None and frame.index >= record.last_index:
                self._over.add(frame.camera)
        return kept

    def check(self) -> None:
        """See that no frame is missing.

        Raises:
            SourceError: a camera gave fewer or other frames than in the run.
        """
        for name, record in self._records.items():
            if self._read[name] != record.frames:
                found = f"{self._read[name]} of its {record.frames} frames"
                raise SourceError(f"camera {name!r}: {found} could be read again, {_NOT_DRAWN}")


def _kept(folder: Path) -> Mapping[str, Any]:
    """What tells each camera's recording from another one, as run.json has it."""
    try:
        cameras = known_of_run(folder).get("cameras", {})
        return {name: about.get("footage") for name, about in cameras.items()}
    except AttributeError:
        return {}
