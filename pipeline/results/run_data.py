"""What a report shows, computed from the files that a run left behind."""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.dates import by_start
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.render.painter import format_time
from relaytrack.pipeline.render.palette import IdentityColors
from relaytrack.pipeline.render.pauses import shown_at
from relaytrack.pipeline.results.embeddings import EMBEDDINGS, read_embeddings
from relaytrack.pipeline.results.identities import NAME, CameraRecord, TrackRecord, read_identities
from relaytrack.trackers.textfile import read_text

_JOIN = 5.0  # seconds; a shorter absence from a camera is part of the same visit
_MOST_TRACKS = 2000
_MOST_PAIRS = 2000


@dataclass(frozen=True, slots=True)
class Visit:
    """One person's stay in one camera, seconds of the run's clock."""

    identity: int
    camera: str
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Doubt:
    """A decision to look at first.

    Attributes:
        joined: two tracks were given one identity though they look unlike; else two identities look alike.
        one: the first side, (identity, track).
        other: the second side.
        similarity: cosine of the two sides' mean embeddings.
        rival: where tracks were joined, the stranger who is most like `one`.
        rival_similarity: cosine of `one` and the rival.
        weight: how doubtful, higher is more; comparable within one run.
    """

    joined: bool
    one: tuple[int, TrackRecord]
    other: tuple[int, TrackRecord]
    similarity: float
    weight: float
    rival: tuple[int, TrackRecord] | None = None
    rival_similarity: float = 0.0


@dataclass(slots=True)
class RunData:
    """Everything that a page needs of a run's folder."""

    folder: Path
    cameras: dict[str, CameraRecord]
    people: dict[int, list[TrackRecord]]
    run: dict[str, Any] = field(default_factory=dict)
    clock_zero: float | None = None
    colors: IdentityColors = field(default_factory=IdentityColors)

    @property
    def span(self) -> tuple[float, float]:
        """First and last moment of all cameras."""
        firsts = [record.first for record in self.cameras.values() if record.first is not None]
        lasts = [record.last for record in self.cameras.values() if record.last is not None]
        start = min(firsts, default=0.0)
        return start, max(max(lasts, default=0.0), start + 1e-3)

    def moment(self, time: float) -> str:
        """A time as text: of the run's clock, or the local time of day in a live run."""
        if self.clock_zero is None:
            return format_time(time)
        return datetime.fromtimestamp(self.clock_zero + time).strftime("%H:%M:%S")

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
    run: dict[str, Any] = {}
    if (folder / "run.json").exists():
        try:
            run = json.loads(read_text(folder / "run.json"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{folder / 'run.json'}: not JSON") from error
        if not isinstance(run, dict):
            raise InputError(f"{folder / 'run.json'}: not a file of this version of RelayTrack")
    return RunData(folder, known.cameras, people, run, known.clock_zero, IdentityColors(known.colors))


def visits(identity: int, tracks: Sequence[TrackRecord]) -> list[Visit]:
    """A person's stays, by begin; pieces in one camera with less than 5 seconds between them are one stay."""
    found: list[Visit] = []
    for camera in sorted({track.camera for track in tracks}):
        spans = sorted(tuple(span) for track in tracks if track.camera == camera for span in track.spans)
        first, last = spans[0]
        for begin, end in spans[1:]:
            if begin - last > _JOIN:
                found.append(Visit(identity, camera, first, last))
                first, last = begin, end
            last = max(last, end)
        found.append(Visit(identity, camera, first, last))
    return sorted(found, key=lambda visit: (visit.first, visit.camera))


def transitions(stays: Sequence[Sequence[Visit]]) -> dict[tuple[str, str], list[float]]:
    """Seconds between leaving one camera and entering the next, per pair of cameras (from, to).

    Negative where the person was seen by both at once (overlapping views). A pair of one camera with itself is a
    return.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for person in stays:
        for before, after in itertools.pairwise(person):
            found.setdefault((before.camera, after.camera), []).append(after.first - before.last)
    return found


def typical(seconds: Sequence[float]) -> float:
    """The median travel time."""
    return statistics.median(seconds)


def counts(data: RunData, bins: int = 240) -> tuple[NDArray[np.float64], dict[str, NDArray[np.int64]]]:
    """How many people each camera saw over time.

    Returns:
        The bins' left edges in seconds, and per camera the number of identities seen in each bin.
    """
    start, end = data.span
    edges = np.linspace(start, end, bins, endpoint=False)
    width = (end - start) / bins
    table = {camera: np.zeros(bins, np.int64) for camera in data.cameras}
    for tracks in data.people.values():
        for camera in {track.camera for track in tracks} & table.keys():
            present = np.zeros(bins, bool)
            for track in tracks:
                if track.camera == camera:
                    for first, last in track.spans:
                        low, high = int((first - start) / width), int((last - start) / width)
                        present[max(0, low) : high + 1] = True
            table[camera] += present
    return edges, table


def doubts(data: RunData, most: int = 12) -> list[Doubt]:
    """The decisions to look at first, most doubtful first.

    A track is doubtful in its identity if it is more like somebody else than like its own fellows; two
    identities are doubtful if they are as alike as the tracks that were joined, and were never in one camera at
    the same time.
    """
    path = data.folder / EMBEDDINGS
    if not path.exists():
        return []
    keys, rows = read_embeddings(path)
    vectors = dict(zip(keys, rows, strict=True))
    entries = [
        (identity, track)
        for identity, tracks in data.people.items()
        for track in tracks
        if (track.camera, track.track) in vectors
    ]
    entries = sorted(entries, key=lambda entry: -entry[1].frames)[:_MOST_TRACKS]
    if len(entries) < 2:
        return []
    matrix = np.stack([vectors[track.camera, track.track] for _, track in entries])
    similar = matrix @ matrix.T
    ids = np.array([identity for identity, _ in entries])
    same = ids[:, None] == ids[None, :]
    own = np.where(same & ~np.eye(len(ids), dtype=bool), similar, -np.inf)
    strange = np.where(same, -np.inf, similar)
    found = _weak_links(entries, ids, own, strange) + _look_alikes(data, entries, ids, own, strange)
    return sorted(found, key=lambda doubt: (-doubt.weight, doubt.one[0], doubt.other[0]))[:most]


_Entries = Sequence[tuple[int, TrackRecord]]


def _weak_links(
    entries: _Entries, ids: NDArray[np.int64], own: NDArray[np.float32], strange: NDArray[np.float32]
) -> list[Doubt]:
    """Per identity of several tracks, the track that fits worst."""
    found = []
    best = own.max(axis=1)
    margin = np.where(np.isfinite(best), strange.max(axis=1) - best, -np.inf)
    told: set[int] = set()
    for row in np.argsort(-margin, kind="stable").tolist():
        if margin[row] <= -0.1:
            break
        if int(ids[row]) not in told:
            told.add(int(ids[row]))
            fellow = int(np.argmax(own[row]))
            rival = int(np.argmax(strange[row]))
            found.append(
                Doubt(
                    joined=True,
                    one=entries[row],
                    other=entries[fellow],
                    similarity=float(own[row, fellow]),
                    weight=float(margin[row]),
                    rival=entries[rival],
                    rival_similarity=float(strange[row, rival]),
                )
            )
    return found


def _look_alikes(
    data: RunData,
    entries: _Entries,
    ids: NDArray[np.int64],
    own: NDArray[np.float32],
    strange: NDArray[np.float32],
) -> list[Doubt]:
    """Pairs of identities as alike as joined tracks usually are."""
    joined = own.max(axis=1)
    joined = joined[np.isfinite(joined)]
    usual = float(np.median(joined)) if len(joined) else 0.7
    found: dict[tuple[int, int], Doubt] = {}
    rows, columns = np.triu_indices(len(ids), 1)
    values = strange[rows, columns]
    likely = np.argsort(-values, kind="stable")[:_MOST_PAIRS]
    for number in likely[values[likely] > usual - 0.1].tolist():
        row, column = int(rows[number]), int(columns[number])
        pair = (min(ids[row], ids[column]), max(ids[row], ids[column]))
        value = float(strange[row, column])
        if pair in found and found[pair].similarity >= value:
            continue
        if not _met(data.people[int(pair[0])], data.people[int(pair[1])]):
            found[pair] = Doubt(False, entries[row], entries[column], value, value - usual)
    return list(found.values())


def _met(some: Sequence[TrackRecord], others: Sequence[TrackRecord]) -> bool:
    """Whether both were in one camera at the same moment."""
    return any(
        one.camera == other.camera and a[0] <= b[1] and b[0] <= a[1]
        for one in some
        for other in others
        for a in one.spans
        for b in other.spans
    )


def people_in_several(data: RunData) -> int:
    """How many people two or more cameras saw."""
    return sum(len({track.camera for track in tracks}) > 1 for tracks in data.people.values())


def lanes(stays: Sequence[Visit]) -> Mapping[Visit, int]:
    """The row of each stay of one camera such that stays in one row do not overlap."""
    ends: list[float] = []
    rows: dict[Visit, int] = {}
    for visit in sorted(stays, key=lambda stay: (stay.first, stay.identity)):
        row = next((number for number, end in enumerate(ends) if end < visit.first), len(ends))
        if row == len(ends):
            ends.append(visit.last)
        ends[row] = visit.last
        rows[visit] = row
    return rows
