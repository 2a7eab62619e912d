"""Ground truth of one sequence: its boxes, its length and the benchmark whose rules clean it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.evaluation.mot_files import MotRows, read_mot
from relaytrack.trackers.seqinfo import read_seqinfo

Benchmark = Literal["MOT15", "MOT16", "MOT17", "MOT20"]
BENCHMARKS: tuple[Benchmark, ...] = ("MOT15", "MOT16", "MOT17", "MOT20")


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What the result of one sequence is measured against.

    Attributes:
        name: the sequence's name.
        rows: the annotated boxes, of every class.
        length: frames in the sequence, or None where nothing says so (then the last annotated or tracked one).
        benchmark: whose preprocessing applies. MOT15 has no classes; in MOT16, MOT17 and MOT20 only class 1
            (pedestrian) counts, and results on distractors are taken out before scoring.
        frame_rate: frames per second, or None where unknown.
    """

    name: str
    rows: MotRows
    length: int | None
    benchmark: Benchmark
    frame_rate: float | None = None


def read_ground_truth(path: str | Path, *, benchmark: Benchmark | None = None) -> GroundTruth:
    """Read a sequence folder (`gt/gt.txt` and `seqinfo.ini`) or a single file.

    A file named `gt.txt` in a folder `gt`, and a file with a `seqinfo.ini` beside it, take length and rate
    from there. Without `benchmark` the sequence's name decides (MOT15-, MOT16-, MOT17-, MOT20-), else it is
    MOT17. A file without class numbers always has those of MOT15.

    Raises:
        TrackerInputError: no such file, a malformed one, or annotations past the stated length.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    file = path
    if path.is_dir():
        candidates = [path / "gt" / "gt.txt", path / "gt.txt"]
        found = [candidate for candidate in candidates if candidate.is_file()]
        if not found:
            raise TrackerInputError(f"{path}: no gt/gt.txt in this folder")
        file = found[0]
    elif path.name == "gt.txt" and folder.name == "gt":
        folder = folder.parent
    rows = read_mot(file)
    info = read_seqinfo(folder / "seqinfo.ini")
    length = info.length()
    name = info.name or (folder.resolve().name if file.name == "gt.txt" else file.stem)
    if length is not None and len(rows) and rows.frames[-1] > length:
        raise TrackerInputError(f"{file}: frame {rows.frames[-1]} is beyond the sequence's {length} frames")
    return GroundTruth(name, rows, length, benchmark or _benchmark_of(name, rows), info.rate())


def _benchmark_of(name: str, rows: MotRows) -> Benchmark:
    if len(rows) and rows.classes[0] < 0:
        return "MOT15"
    named = [benchmark for benchmark in BENCHMARKS if name.upper().startswith(benchmark)]
    return named[0] if named else "MOT17"
