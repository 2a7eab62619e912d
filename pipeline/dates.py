"""How a live run's moments are written: in file names, and by the clock in the pictures.

Both show the same time, that of the place, with its distance from UTC behind it (`20261120T133000+0100`,
`2026-11-20 13:30:00 +01:00`); without one it is UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

STAMP = re.compile(r"(?P<own>([0-9]{8}T[0-9]{6})([+-][0-9]{4})?)(?:[_-][0-9]{1,3})?")
"""The stem of a live run's files: `stamp`, and `_2` and so on where several began in one second (`-2` in old runs)."""


def shown(epoch: float) -> str:
    """A moment, seconds since the epoch, for people: date, time and, outside of UTC, the distance from it."""
    local = datetime.fromtimestamp(epoch).astimezone()
    away = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S}" + (f" {away[:3]}:{away[3:5]}" if local.utcoffset() else "")


def stamp(epoch: float) -> str:
    """The same moment for the name of a file."""
    local = datetime.fromtimestamp(epoch).astimezone()
    return f"{local:%Y%m%dT%H%M%S}" + (local.strftime("%z")[:5] if local.utcoffset() else "")


def stamped(stem: str) -> float | None:
    """Seconds since the epoch that a file's stem tells, None where it is none of a live run's."""
    match = STAMP.fullmatch(stem)
    if match is None:
        return None
    try:
        return datetime.strptime(match[2] + (match[3] or "+0000"), "%Y%m%dT%H%M%S%z").timestamp()
    except ValueError:  # digits that are no date
        return None


def utc_text(epoch: float) -> str:
    """A moment, seconds since the epoch, for programs: ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds")


def free_path(path: Path) -> Path:
    """A path at which no file is: this one, or the next with a number behind its moment (`_2` and so on)."""
    match = STAMP.fullmatch(path.stem)
    own = path.stem if match is None else match["own"]
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_stem(f"{own}_{number}")
    return found


def by_start(paths: Iterable[Path]) -> list[tuple[float, Path]]:
    """A live run's files with the times at which they begin, in that order; other files are left out."""
    known = [(start, path) for path in paths if (start := stamped(path.stem)) is not None]
    return sorted(known, key=lambda entry: (entry[0], len(entry[1].stem), entry[1]))


def time_of_day(epoch: float, first: float, last: float, *, whole: bool = False) -> str:
    """A moment of a run from `first` to `last` (seconds since the epoch) for people: the time of day.

    The date comes before it where the run lasts into another day, and the distance from UTC behind it where the clocks
    of the place were changed between its first and its last moment. `whole` minutes are written without seconds.
    """
    local, begin, end = (datetime.fromtimestamp(moment).astimezone() for moment in (epoch, first, last))
    date = "" if begin.date() == end.date() else f"{local:%d %b} "
    away = "" if begin.utcoffset() == end.utcoffset() else f" {zone(epoch)}"
    return date + local.strftime("%H:%M" if whole else "%H:%M:%S") + away


def zone(epoch: float) -> str:
    """The distance from UTC of the place's time at a moment: `UTC+01:00`, or `UTC`."""
    local = datetime.fromtimestamp(epoch).astimezone()
    away = local.strftime("%z")
    return f"UTC{away[:3]}:{away[3:5]}" if local.utcoffset() else "UTC"


def zones(first: float, last: float) -> str:
    """The same between two moments: `UTC+02:00`, or `UTC+02:00, later UTC+01:00` where the clocks were changed."""
    return ", later ".join(dict.fromkeys((zone(first), zone(last))))


def format_time(time: float) -> str:
    """Seconds as `m:ss.s`, or `h:mm:ss.s` from an hour on; a minus sign before the run's zero."""
    tenths = round(abs(time) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if time < 0 and tenths else ""
    seconds = f"{rest // 10:02d}.{rest % 10}"
    return f"{sign}{hours}:{minutes:02d}:{seconds}" if hours else f"{sign}{minutes}:{seconds}"
