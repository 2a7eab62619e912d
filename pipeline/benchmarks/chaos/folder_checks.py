"""Is what a run left behind whole, after it was ended at any moment?"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import av
import av.error

from relaytrack.pipeline.media import file_address
from relaytrack.pipeline.results.track_rows import read_rows_of

_QUEUE = 8  # pictures that wait for a video at the most
_COLUMNS = 10  # of a MOT line


def check_folder(folder: Path, rate: float, *, since: float = 0.0) -> list[str]:
    """What is wrong with the results of a live run, in words; an empty list where all is whole.

    Videos must play up to the last second that the text files tell of, text files must hold whole lines, JSON files
    must be JSON and stores of identities must pass SQLite's own check.

    Args:
        folder: the run's output folder.
        rate: frames per second of its cameras.
        since: files that were changed before that moment (seconds since 1970) were looked at before.
    """
    wrong: list[str] = []
    for path in _files(folder, ("*.txt",), since):
        wrong += _lines(path)
    for path in _files(folder, ("events*.jsonl",), since):
        wrong += _json_lines(path)
    for path in _files(folder, ("*.json",), since):
        try:
            json.loads(path.read_text())
        except ValueError:
            wrong.append(f"{path.name} is no JSON: {path.read_bytes()[:60]!r}")
    for path in _files(folder, ("*.db",), 0.0):
        wrong += _store(path)
    for path in _files(folder, ("video/*/*.mp4",), since):
        if path.parent.name != "mosaic":
            wrong += _video(path, folder, rate)
    return wrong


def identities_of(folder: Path) -> set[int]:
    """The identities that the text files tell of."""
    return {identity for path in folder.glob("global/*/*.txt") for identity in read_rows_of(path).ids.tolist()}


def _files(folder: Path, patterns: Iterable[str], since: float) -> list[Path]:
    found = (path for pattern in patterns for path in folder.rglob(pattern))
    return [path for path in found if path.stat().st_mtime >= since]


def _lines(path: Path) -> list[str]:
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        return [f"{path.parent.name}/{path.name}: the last line is cut off"]
    bad = [line for line in data.splitlines() if line.count(b",") != _COLUMNS - 1]
    return [f"{path.parent.name}/{path.name}: {bad[0]!r}"] if bad else []


def _json_lines(path: Path) -> list[str]:
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        return [f"{path.name}: the last line is cut off"]
    for line in data.splitlines():
        try:
            json.loads(line)
        except ValueError:
            return [f"{path.name}: {line[:60]!r}"]
    return []


def _store(path: Path) -> list[str]:
    try:
        with closing(sqlite3.connect(path, timeout=5.0)) as db:
            answer = db.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        return [f"{path.name}: {error}"]
    return [] if answer == "ok" else [f"{path.name}: {answer}"]


def _video(path: Path, folder: Path, rate: float) -> list[str]:
    text = folder / "tracks" / path.parent.name / f"{path.stem}.txt"
    told = len({line.split(",", 1)[0] for line in text.read_text().splitlines()}) if text.exists() else 0
    shown = _pictures(path)
    if shown < told - rate - _QUEUE:
        return [f"{path.parent.name}/{path.name}: {shown} pictures play, the text tells of {told} frames"]
    return []


def _pictures(path: Path) -> int:
    """Pictures of a video that can be decoded; 0 of one that ends before its first."""
    count = 0
    try:
        with av.open(file_address(path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for _ in container.decode(video=0):
                count += 1
    except (av.error.FFmpegError, IndexError):
        pass
    return count
