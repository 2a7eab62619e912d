"""The recordings of a site on a cluster: they stay on their machines, and are fetched in small pieces when played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from relaytrack.pipeline.cluster.node_recordings import FarMoment, NoMoment
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.render.clips import Clip
from relaytrack.pipeline.results.recordings import Recording
from relaytrack.pipeline.server.recorded_files import RecordedFile
from relaytrack.pipeline.server.recordings import Moment, NotRecordedError, Recordings

Question = Literal["known", "moment", "clip", "length", "read", "described", "forget"]
"""What machines can be asked: the methods of `NodeRecordings` of these names."""
Answers = list[tuple[Any, Any]]
"""Machines, in no special order, each with its answer; those that are lost are left out."""


@dataclass(frozen=True, slots=True)
class FarFile:
    """A file on a machine; see `RecordedFile`."""

    size: int
    piece: Callable[[int, int], bytes]

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, piece by piece."""
        while start < end and (data := self.piece(start, end - start)):
            start += len(data)
            yield data


class FarRecordings(Recordings):
    """Finds and plays recordings that lie on the machines of a cluster.

    Attributes:
        ask: asks machines: a `Question`, its words, and `of`, a machine, or None for all of them.
        recording: whether this site records.
    """

    def __init__(self) -> None:
        super().__init__(None, None)
        self.ask: Callable[..., Answers] = lambda question, *words, of=None: []
        self.recording = False
        self._sizes: dict[Path, tuple[int, bool]] = {}  # bytes, and whether it is being written

    @property
    def enabled(self) -> bool:
        """Whether this site records."""
        return self.recording

    def find(
        self, *, camera: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[Recording]:
        """See `Recordings.find`; of all machines."""
        found = {one.recording.path: one for _, known in self.ask("known", camera, since, until) for one in known}
        self._sizes = {path: (one.bytes, one.writing) for path, one in found.items()}
        return sorted((one.recording for one in found.values()), key=lambda one: one.start)

    def size(self, one: Recording) -> int:
        """Bytes of a file that was found."""
        return self._sizes.get(one.path, (0, False))[0]

    def is_running(self, one: Recording) -> bool:
        """Whether a file that was found is being written."""
        return self._sizes.get(one.path, (0, False))[1]

    def whole(self, run: str, camera: str, name: str) -> RecordedFile | None:
        """A file by its names, wherever it lies."""
        for machine, size in self.ask("length", run, camera, name):
            if size is not None:
                return FarFile(size, partial(self._one, "read", machine, run, camera, name))
        return None

    def at(self, camera: str, moment: float) -> Moment:
        """See `Recordings.at`; the clip is fetched from its machine."""
        if not self.recording:
            raise NotRecordedError("this site records nothing: output.dir is not set in its file")
        none = NoMoment(f"nothing of camera {camera} was recorded at that moment, or its machine is away", None)
        for machine, found in self.ask("moment", camera, moment):
            if isinstance(found, FarMoment):
                data = b""
                while len(data) < found.size:
                    piece = self._one("clip", machine, found.number, len(data))
                    if not piece:
                        raise NotRecordedError("too many moments are played at once; try again", 1.0)
                    data += piece
                self._sizes[found.recording.path] = 0, found.writing
                clip = Clip(found.start, found.end, data)
                return Moment(found.recording, found.offset, clip, found.clip_offset)
            if found.again is not None:
                none = found
        raise NotRecordedError(none.reason, none.again)

    def describe_runs(self) -> list[dict[str, Any]]:
        """See `Recordings.describe_runs`; each machine's own."""
        found = {one["name"]: one for _, described in self.ask("described") for one in described}
        return sorted(found.values(), key=lambda one: float(one["start"] or 0.0), reverse=True)

    def _one(self, question: Question, machine: Any, *words: Any) -> bytes:
        answers = self.ask(question, *words, of=machine)
        return bytes(answers[0][1]) if answers else b""

    # the sink

    def write(self, step: Step) -> None:
        """What must go is removed by each machine itself."""
