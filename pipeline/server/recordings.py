"""The site's recordings: what of which moment is on the disk, clips of it, and how long it stays."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaytrack.pipeline.clock import steady_time
from relaytrack.pipeline.config.schema import CAMERA_NAME
from relaytrack.pipeline.dates import STAMP, by_start, stamped
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.render.clips import Clip
from relaytrack.pipeline.results.folder import MARKER, remove_run
from relaytrack.pipeline.results.recordings import Recording, RecordingReader
from relaytrack.pipeline.results.run_file import known_of_run
from relaytrack.pipeline.results.run_lock import is_held
from relaytrack.pipeline.server.clip_cache import ClipCache
from relaytrack.pipeline.server.recorded_files import LocalFile, RecordedFile
from relaytrack.pipeline.sinks.segments import KINDS, DatedFile, remove_oldest, segments

_EARLY = 0.05  # seconds by which a moment may come before a file's first picture
_SOON = 5.0  # seconds after the newest picture that are waited for
_SWEEP = 60.0  # seconds between two looks at what must go


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a moment can be seen.

    Attributes:
        recording: the file; offset: the moment's place in it, seconds.
        clip: the piece around it; clip_offset: the moment's place in the clip, seconds.
    """

    recording: Recording
    offset: float
    clip: Clip
    clip_offset: float


class NotRecordedError(Exception):
    """There is no picture of a moment; says why. `again`: seconds after which it may be there, None for never."""

    def __init__(self, reason: str, again: float | None = None) -> None:
        super().__init__(reason)
        self.again = again


class Recordings:
    """Finds recordings over all starts of the site. It is a sink, too, that removes what is old or too much.

    Args:
        root: folder of the starts' folders; None where nothing is recorded.
        current: folder of this start.
        retain: seconds after which recordings go; None keeps them.
        limit: bytes that the recordings of all starts may take.
    """

    name = "site-recordings"
    on_error = "retry"  # a file that cannot be deleted now must not end the deleting

    def __init__(
        self, root: Path | None, current: Path | None, *, retain: float | None = None, limit: float = float("inf")
    ) -> None:
        self._root, self._current = root, current
        self.retain, self._limit = retain, limit
        self._readers: dict[Path, RecordingReader] = {}
        self._clips = ClipCache()
        self._changing = threading.Lock()
        self._due = 0.0
        self._newest = 0.0  # moment of the run's newest picture, seconds since 1970

    @property
    def enabled(self) -> bool:
        """Whether this site records."""
        return self._root is not None

    # what there is

    def runs(self) -> list[Path]:
        """The folders of all starts, oldest first."""
        if self._root is None or not self._root.is_dir():
            return []
        found = by_start(self._root.iterdir())
        return [path for _, path in found if not path.is_symlink() and (path / MARKER).is_file()]

    def find(
        self, *, camera: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[Recording]:
        """Files that are there and show something between two moments, oldest first."""
        found = []
        for one in self._known():
            if camera is not None and one.camera != camera:
                continue
            if until is not None and one.start > until:
                continue
            if since is not None and one.end is not None and one.end < since:
                continue
            if one.path.is_file():
                found.append(one)
        return found

    def whole(self, run: str, camera: str, name: str) -> RecordedFile | None:
        """A file by its names, to be read; None where there is none such."""
        path = self.file(run, camera, name)
        return None if path is None else LocalFile(path)

    def size(self, one: Recording) -> int:
        """Bytes of a file, 0 where it is gone."""
        return one.path.stat().st_size if one.path.exists() else 0

    def file(self, run: str, camera: str, name: str) -> Path | None:
        """A file by its names; None where there is none such. Nothing outside of the starts' folders is ever found."""
        if not (STAMP.fullmatch(name) and CAMERA_NAME.fullmatch(camera)):
            return None
        for folder in self.runs():
            path = folder / "video" / camera / f"{name}.mp4"
            if folder.name == run and path.is_file() and path.resolve() == folder.resolve() / path.relative_to(folder):
                return path
        return None

    def at(self, camera: str, moment: float) -> Moment:
        """Where a camera's moment can be seen.

        Args:
            camera: its name.
            moment: seconds since 1970.

        Raises:
            NotRecordedError: nowhere.
            OutputError: the file cannot be read.
        """
        if self._root is None:
            raise NotRecordedError("this site records nothing: output.dir is not set in its file")
        covering = [one for one in self._known() if one.camera == camera and one.start <= moment + _EARLY]
        if not covering:
            raise NotRecordedError(f"nothing of camera {camera} was recorded at that moment")
        one = max(covering, key=lambda known: known.start)
        if not one.path.is_file():
            raise NotRecordedError("the recording of that moment is deleted already")
        if one.end is not None and moment > one.end + 1.0:
            raise NotRecordedError(f"nothing of camera {camera} was recorded at that moment")
        offset = max(0.0, min(moment, one.end or moment) - one.start)
        clip = self._clips.around(one, offset)
        if clip is None:
            if not self.is_running(one):
                raise NotRecordedError(f"nothing of camera {camera} was recorded at that moment")
            if moment > self._newest + _SOON:
                raise NotRecordedError("that moment is still to come")
            raise NotRecordedError("that moment is being written; it can be played in a second", 1.0)
        return Moment(one, offset, clip, max(0.0, offset - clip.start))

    def is_running(self, one: Recording) -> bool:
        """Whether a file is being written."""
        return one.end is None and self._is_written(one.path.parents[2])

    def _is_written(self, folder: Path) -> bool:
        """Whether a start goes on: this one, or another program's."""
        return folder == self._current or is_held(folder)

    def describe_runs(self) -> list[dict[str, Any]]:
        """What every start left, newest first."""
        return [self.describe_run(folder) for folder in reversed(self.runs())]

    def describe_run(self, folder: Path) -> dict[str, Any]:
        """What a start left: when, which cameras, how much."""
        found = [one for one in self._reader(folder).recordings() if one.path.is_file()]
        cameras: dict[str, dict[str, Any]] = {}
        for one in found:
            entry = cameras.setdefault(one.camera, {"files": 0, "bytes": 0, "start": one.start, "end": one.end})
            entry["files"] += 1
            entry["bytes"] += one.path.stat().st_size
            entry["end"] = one.end
        information = known_of_run(folder)
        identities = information.get("identities") or {}
        running = self._is_written(folder)
        return {
            "name": folder.name,
            "start": stamped(folder.name),
            "end": None if running else max((path.stat().st_mtime for path in folder.iterdir()), default=None),
            "running": running,
            "identities": identities.get("count"),
            "cameras": cameras,
            "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        }

    def _known(self) -> list[Recording]:
        return [one for folder in self.runs() for one in self._reader(folder).recordings()]

    def _reader(self, folder: Path) -> RecordingReader:
        with self._changing:
            return self._readers.setdefault(folder, RecordingReader(folder))

    # the sink

    def write(self, step: Step) -> None:
        """Note how far the run is, and look once a minute at what must go."""
        epochs = [tracks.frame.epoch for tracks in step if tracks.frame.epoch is not None]
        self._newest = max(epochs, default=self._newest)
        if self._root is not None and time.monotonic() >= self._due:
            self._due = time.monotonic() + _SWEEP
            self.sweep()

    def close(self) -> None:
        """Nothing is open."""

    def sweep(self) -> None:
        """Remove what is older than `retain`, then the oldest files beyond `limit`, over all starts.

        The newest file of every camera of a start that goes on is being written and stays. A start that is over and of
        which no file is left goes whole.
        """
        old: list[DatedFile] = []
        for folder in self.runs():
            complete, newest = segments(folder)
            old += complete if self._is_written(folder) else [*complete, *newest]
        remove_oldest(old, self._limit, before=None if self.retain is None else steady_time() - self.retain)
        for folder in self.runs():
            left = any(path.is_file() for kind in KINDS for path in folder.glob(f"{kind}/*/*"))
            if not left and not self._is_written(folder):
                remove_run(folder)
                with self._changing:
                    self._readers.pop(folder, None)
