"""What a site has recorded on one machine of its cluster, for the machine that serves it."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaytrack.pipeline.cluster.node_share import of_site
from relaytrack.pipeline.cluster.outbox import PIECE
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.postprocess.live_run import correct_live_run, is_live_run
from relaytrack.pipeline.results.recordings import Recording
from relaytrack.pipeline.results.run_lock import is_held
from relaytrack.pipeline.server.recordings import NotRecordedError, Recordings
from relaytrack.pipeline.share.leftovers import bring_folder

_KEPT = 4  # clips that may be fetched


@dataclass(frozen=True, slots=True)
class KnownRecording:
    """A file on a machine.

    Attributes:
        recording: the file; bytes: its size; writing: whether it is being written.
    """

    recording: Recording
    bytes: int
    writing: bool


@dataclass(frozen=True, slots=True)
class FarMoment:
    """Where a moment can be seen on a machine.

    Attributes:
        recording, offset, clip_offset: as of `Moment`; writing: whether the file is being written.
        start, end: of the clip, seconds in the recording; size: its bytes; number: by which it is fetched.
    """

    recording: Recording
    offset: float
    clip_offset: float
    writing: bool
    start: float
    end: float
    size: int
    number: int


@dataclass(frozen=True, slots=True)
class NoMoment:
    """Why a moment cannot be seen on a machine; `again` as of `NotRecordedError`."""

    reason: str
    again: float | None


class NodeRecordings(Recordings):
    """Answers questions about the recordings on this machine.

    Args:
        root: folder of the starts' folders.
    """

    def __init__(self, root: str) -> None:
        super().__init__(Path(root), None)
        self._cut: OrderedDict[int, bytes] = OrderedDict()
        self._number = 0

    def known(self, camera: str | None, since: float | None, until: float | None) -> list[KnownRecording]:
        """See `Recordings.find`."""
        found = self.find(camera=camera, since=since, until=until)
        return [KnownRecording(one, self.size(one), self.is_running(one)) for one in found]

    def moment(self, camera: str, at: float) -> FarMoment | NoMoment:
        """See `Recordings.at`; the clip is kept for a moment, to be fetched."""
        self._newest = time.time()
        try:
            found = self.at(camera, at)
        except NotRecordedError as error:
            return NoMoment(str(error), error.again)
        self._number += 1
        self._cut[self._number] = found.clip.data
        while len(self._cut) > _KEPT:
            self._cut.popitem(last=False)
        one, clip = found.recording, found.clip
        return FarMoment(
            one,
            found.offset,
            found.clip_offset,
            self.is_running(one),
            clip.start,
            clip.end,
            len(clip.data),
            self._number,
        )

    def clip(self, number: int, start: int) -> bytes:
        """A piece of a clip; b"" when it is no longer kept."""
        return self._cut.get(number, b"")[start : start + PIECE]

    def length(self, run: str, camera: str, name: str) -> int | None:
        """The bytes of a file; None where there is none such."""
        path = self.file(run, camera, name)
        return None if path is None else path.stat().st_size

    def read(self, run: str, camera: str, name: str, start: int, most: int) -> bytes:
        """A piece of a file; b"" at its end, and when it is gone."""
        path = self.file(run, camera, name)
        if path is None:
            return b""
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(min(most, PIECE))

    def forget(self, person: int, delete_videos: bool) -> None:
        """Remove a person from the files of earlier starts; running work removes them from its own files.

        Raises:
            RelayTrackError: something cannot be written, or the shared place cannot be reached.
        """
        for folder in self.runs():
            if is_live_run(folder) and not is_held(folder):
                try:
                    correct_live_run(folder, "forget", {"person": person, "delete_videos": delete_videos})
                except InputError:  # they were not seen there
                    continue
                bring_folder(folder, of_site)

    def described(self) -> list[dict[str, Any]]:
        """See `Recordings.describe_runs`."""
        return self.describe_runs()
