"""Dates of live runs: file names and the pictures' clock tell one time, whatever the zone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.dates import by_start, free_path, shown, stamp, stamped, time_of_day, zone, zones
from relaytrack.pipeline.records import Frame, FrameInfo, FrameTracks
from relaytrack.pipeline.render.painter import Painter
from relaytrack.pipeline.sinks.segments import Segments

NOON = 1795176000.0  # 2026-11-20 12:00:00 UTC
AUTUMN = 1792889400.0  # 2026-10-25 00:50:00 UTC: in Berlin 02:50 for the first time


@pytest.fixture
def live_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Moves this process to another time zone."""

    def move(place: str) -> None:
        monkeypatch.setenv("TZ", place)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("place", "name", "text"),
    [
        ("UTC", "20261120T120000", "2026-11-20 12:00:00"),
        ("Europe/Berlin", "20261120T130000+0100", "2026-11-20 13:00:00 +01:00"),
        ("America/New_York", "20261120T070000-0500", "2026-11-20 07:00:00 -05:00"),
        ("Asia/Kolkata", "20261120T173000+0530", "2026-11-20 17:30:00 +05:30"),
    ],
)
def test_names_and_pictures_tell_one_time(
    live_in: Callable[[str], None], tmp_path: Path, place: str, name: str, text: str
) -> None:
    live_in(place)
    frame = Frame("gate", 1, 50.0, np.zeros((96, 160, 3), np.uint8), epoch=NOON)
    path = Segments(tmp_path / "video" / "gate.mp4", 600.0).next_path(frame.info)
    assert path == tmp_path / "video" / "gate" / f"{name}.mp4"
    painter, none = Painter("gate"), np.zeros(0, np.int64)
    painter.draw(
        frame.image, FrameTracks(frame.info, none, none, np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    )
    assert painter.clock(50.0) == shown(NOON) == text
    assert stamped(name) == stamped(f"{name}_2") == stamped(f"{name}-2") == NOON
    assert zone(NOON) == f"UTC{text[20:]}"


def test_a_name_that_is_taken_gets_a_number_that_is_still_a_moments(tmp_path: Path) -> None:
    """Fault: beside `..._2.txt` the next file was called `..._2_2.txt`, which nothing took for a segment."""
    path = tmp_path / "20261120T120000+0100.txt"
    made = []
    for wanted in (path, path, path.with_stem(f"{path.stem}_2"), tmp_path / "3.jpg", tmp_path / "3.jpg"):
        made.append(free_path(wanted))
        made[-1].touch()
    assert [one.stem for one in made] == [path.stem, f"{path.stem}_2", f"{path.stem}_3", "3", "3_2"]
    assert all(stamped(one.stem) == stamped(path.stem) for one in made[:3])


def test_the_hour_that_comes_twice_is_told_apart(live_in: Callable[[str], None], tmp_path: Path) -> None:
    live_in("Europe/Berlin")
    moments = [AUTUMN + 600 * step for step in range(9)]
    names = [stamp(moment) for moment in moments]
    assert names[0] == "20261025T025000+0200"
    assert names[6] == "20261025T025000+0100"
    assert len(set(names)) == 9
    assert names != sorted(names), "by name they would be out of order"
    paths = [tmp_path / f"{name}.mp4" for name in names]
    assert by_start([*reversed(paths), tmp_path / "film.mp4"]) == list(zip(moments, paths, strict=True))


def test_files_of_one_second_stay_in_order(tmp_path: Path) -> None:
    names = ["20261120T120000", *(f"20261120T120000-{number}" for number in range(2, 13)), "20261120T120001"]
    paths = [tmp_path / f"{name}.txt" for name in names]
    assert [path for _, path in by_start(reversed(paths))] == paths


@given(st.integers(0, 4_000_000_000))
def test_every_second_comes_back(epoch: int) -> None:
    assert stamped(stamp(float(epoch))) == epoch


@pytest.mark.parametrize("stem", ["film", "20261120", "20261320T120000", "20261120T120000+01", "20261120T120000x"])
def test_other_names_are_none(stem: str) -> None:
    assert stamped(stem) is None


def test_times_of_a_run_tell_day_and_zone_where_they_change(live_in: Callable[[str], None]) -> None:
    """Fault: a report called two moments an hour apart by one name in the night in which summer time ends."""
    live_in("Europe/Berlin")
    night = (AUTUMN, AUTUMN + 3600)
    assert [time_of_day(moment, *night) for moment in night] == ["02:50:00 UTC+02:00", "02:50:00 UTC+01:00"]
    assert zones(*night) == "UTC+02:00, later UTC+01:00"
    assert time_of_day(NOON, NOON, NOON + 60) == "13:00:00"
    assert time_of_day(NOON, NOON, NOON + 60, whole=True) == "13:00"
    assert time_of_day(NOON, NOON - 3 * 86400, NOON) == "20 Nov 13:00:00"
    assert zones(NOON, NOON + 60) == "UTC+01:00"


@pytest.mark.parametrize("change", [1774746000, 1792890000])  # 2026-03-29 and 2026-10-25, 01:00 UTC
def test_segments_over_a_change_of_summer_time_keep_their_order(
    change: int, live_in: Callable[[str], None], tmp_path: Path
) -> None:
    live_in("Europe/Berlin")
    begin, names = change - 7200, Segments(tmp_path / "gate.mp4", 600.0)
    for second in range(0, 14400, 60):
        path = names.next_path(FrameInfo("gate", second, float(second), (64, 48), epoch=float(begin + second)))
        if path is not None:
            path.parent.mkdir(exist_ok=True)
            path.touch()
    starts = [start for start, _ in by_start((tmp_path / "gate").iterdir())]
    assert starts == [begin + 600.0 * number for number in range(24)]


def test_a_clock_knows_by_how_much_the_hosts_was_set_since() -> None:
    host, tick = [1000.0], [50.0]
    clock = RunClock(now=lambda: host[0], tick=lambda: tick[0])
    behind = RunClock(zero=100.0, least=2000.0, now=lambda: host[0], tick=lambda: tick[0])
    other = RunClock(zero=100.0, skew=7.0, now=lambda: host[0], tick=lambda: tick[0])
    for passed, set_by in ((10.0, 0.0), (5.0, 3600.0), (1.0, -7200.0)):
        tick[0] += passed
        host[0] += passed + set_by
        total = {0.0: 0.0, 3600.0: 3600.0, -7200.0: -3600.0}[set_by]
        for one in (clock, behind, other):
            assert one.ahead() == pytest.approx(total)
    assert clock.now() == pytest.approx(16.0)
    assert clock.epoch(clock.now()) == pytest.approx(1016.0), "dates go on"
