"""A run that lies in a folder, read from the files that it left behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relaytrack.pipeline.dates import by_start, format_time, time_of_day
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.pauses import shown_at
from relaytrack.pipeline.results.grounds import Grounds
from relaytrack.pipeline.results.identities import NAME, CameraRecord, TrackRecord, read_identities
from relaytrack.pipeline.results.run_file import RUN_FILE, read_run_file


@dataclass(slots=True)
class RunData:
    """What a run's folder holds."""

    folder: Path
    cameras: dict[str, CameraRecord]
    people: dict[int, list[TrackRecord]]
    run: dict[str, Any] = field(default_factory=dict)
    clock_zero: float | None = None
    colors: IdentityColors = field(default_factory=IdentityColors)
    grounds: dict[int, Grounds] = field(default_factory=dict)

    @property
    def span(self) -> tuple[float, float]:
        """First and last moment of all cameras."""
        firsts = [record.first for record in self.cameras.values() if record.first is not None]
        lasts = [record.last for record in self.cameras.values() if record.last is not None]
        start = min(firsts, default=0.0)
        return start, max(max(lasts, default=0.0), start + 1e-3)

    def moment(self, time: float, *, whole: bool = False) -> str:
        """A time as text: of the run's clock, or the local time of day in a live run (see `time_of_day`)."""
        if self.clock_zero is None:
            return format_time(time)
        first, last = self.span
        return time_of_day(self.clock_zero + time, self.clock_zero + first, self.clock_zero + last, whole=whole)

    def video_at(self, camera: str, time: float, lead: float = 1.0) -> tuple[str, float] | None:
        """The video file (relative) and the second in it that show `camera` a little before `time`."""
        record = self.cameras.get(camera, CameraRecord())
        name = f"video/{camera}.mp4"
        if (self.folder / name).exists() and record.first is not None:
            return name, max(0.0, shown_at(time, record.cuts) - lead - record.first)
        if self.clock_zero is None:
            return None
        moment, found = self.clock_zero + time, None
        for start, path in by_start((self.folder / "video" / camera).glob("*.mp4")):
            if start <= moment + 1.0:
                found = (f"video/{camera}/{path.name}", max(0.0, moment - lead - start))
        return found


def load_run(folder: Path) -> RunData:
    """Read a run's folder.

    Raises:
        InputError: it holds no identities.json of RelayTrack, or a damaged one.
    """
    try:
        known = read_identities(folder)
    except OSError as error:
        raise InputError(f"{folder}: no run of RelayTrack ({NAME}: {error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / NAME}: not a file of this version of RelayTrack") from error
    people: dict[int, list[TrackRecord]] = {}
    for record, identity in known.tracks:
        people.setdefault(identity, []).append(record)
    run = read_run_file(folder) if (folder / RUN_FILE).exists() else {}
    colors = IdentityColors(known.colors)
    return RunData(folder, known.cameras, people, run, known.clock_zero, colors, known.grounds)
