"""The clock of a recording: wrong time stamps, joined parts, pauses, and clocks that do not start at 0."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relaytrack.pipeline.sources import Source
from relaytrack.pipeline.sources.base import ReadError
from relaytrack.pipeline.sources.clock import RecordedClock, Stamped

MakeVideo = Callable[..., Path]
MakeSource = Callable[..., Source]


def _times(stamps: Sequence[float | None], fps: float = 10) -> tuple[list[float], str | None]:
    clock = RecordedClock(fps, 3600)
    given = (Stamped(index, stamp, None) for index, stamp in enumerate(stamps, 1))
    return [picture.time for picture in clock.pictures(given)], clock.note


def _surveyed(stamps: Sequence[float], fps: float = 10) -> tuple[list[float], str | None]:
    """As `_times` for a file, whose stamps can be read beforehand."""
    clock = RecordedClock(fps, 3600, lambda: stamps)
    given = (Stamped(index, stamp, None) for index, stamp in enumerate(stamps, 1))
    return [picture.time for picture in clock.pictures(given)], clock.note


def _regular(count: int, start: float = 0.0, step: float = 0.1) -> list[float]:
    return [start + step * number for number in range(count)]


@example([-2e-93, 0.0, 0.0, None, 0.0])  # steps too small to be added to a time
@example([-5e-324, -1.0, 0.0])  # half of the least step is none
@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=50))
def test_times_ascend_from_zero_whatever_the_stamps(stamps: list[float | None]) -> None:
    times, _ = _times(stamps)
    assert len(times) == len(stamps)
    assert times[0] == 0
    assert all(later > earlier for earlier, later in itertools.pairwise(times))


@given(st.integers(0, 49), st.one_of(st.floats(5, 1e5), st.floats(-1e5, -5)), st.sampled_from([0.0, 5000.0, 1.7e9]))
def test_one_wrong_stamp_touches_its_own_frame_only(wrong: int, by: float, start: float) -> None:
    stamps = _regular(50, start)
    stamps[wrong] += by
    times, note = _times(stamps)
    np.testing.assert_allclose(np.delete(times, wrong), np.delete(_regular(50), wrong), atol=1e-4)
    assert times[max(0, wrong - 1)] <= times[wrong] <= times[min(49, wrong + 1)]
    assert note is not None


@given(st.lists(st.integers(1, 48), min_size=1, max_size=4, unique=True), st.floats(10, 1e5))
def test_a_few_wrong_stamps_among_many_touch_only_themselves(wrong: list[int], by: float) -> None:
    stamps = _regular(60)
    for number in wrong:
        stamps[number] += by + 7 * number
    times, note = _times(stamps)
    np.testing.assert_allclose(np.delete(times, wrong), np.delete(_regular(60), wrong), atol=1e-6)
    assert note is not None
    assert "wrong time stamp" in note


@given(st.floats(-1e5, 1e5), st.integers(2, 40), st.integers(3, 40))
def test_joined_parts_follow_each_other(start: float, first: int, second: int) -> None:
    times, note = _times(_regular(first) + _regular(second, start))
    jump = start - (first - 1) * 0.1
    if 0 < jump <= 3600 or abs(jump - 0.1) < 0.3:
        return  # a pause, or no join at all
    np.testing.assert_allclose(times, _regular(first + second), atol=1e-4)
    assert note is not None
    assert f"jumps by {jump:,.1f} s at frame {first + 1}" in note


@pytest.mark.parametrize("pause", [1.2, 63.0, 3599.0])
@pytest.mark.parametrize("read", [_times, _surveyed])
def test_a_pause_stays_a_pause(pause: float, read: Callable[..., tuple[list[float], str | None]]) -> None:
    stamps = _regular(30) + _regular(30, 2.9 + pause)
    times, note = read(stamps)
    np.testing.assert_allclose(times, stamps)
    assert note is None


@pytest.mark.parametrize("frames", ["0", "2", "8"])
@pytest.mark.parametrize("place", [2, 12, 40, 57, 58])
def test_a_pause_in_a_file_stays_a_pause(
    make_video: MakeVideo, make_source: MakeSource, frames: str, place: int
) -> None:
    """Pictures that are decoded before their turn mix both times around a pause."""
    stamps = [100 * number + (63_000 if number >= place else 0) for number in range(60)]
    source = make_source(make_video("pause.mp4", 60, stamps=stamps, options={"bf": frames, "preset": "medium"}))
    np.testing.assert_allclose([frame.time for frame in _frames(source)], np.array(stamps) / 1000, atol=2e-3)
    assert source.stats.warning is None


@given(st.integers(5, 150), st.integers(1, 100), st.one_of(st.floats(5, 1e5), st.floats(-1e5, -5)))
def test_a_burst_of_wrong_stamps_touches_itself_only(begin: int, count: int, by: float) -> None:
    """Fault: more wrong stamps in a row than are read ahead moved all later pictures for good."""
    right = _regular(300)
    stamps = [stamp + by if begin <= number < begin + count else stamp for number, stamp in enumerate(right)]
    if count >= begin:  # more pictures stand for the other time than came before
        return
    times, note = _surveyed(stamps)
    np.testing.assert_allclose(times, right, atol=1e-4)
    assert note is not None
    assert "jumps" not in note


@pytest.mark.parametrize("by", [-3000.0, 9800.0])
def test_what_comes_back_needs_no_look_at_the_whole_file(by: float) -> None:
    right = _regular(300)
    times, note = _times([stamp + by if 100 <= number < 180 else stamp for number, stamp in enumerate(right)])
    np.testing.assert_allclose(times, right, atol=1e-6)
    assert note == "80 frames have wrong time stamps (first frame 101), they alone were moved"


def test_several_bursts_and_a_true_pause() -> None:
    right = _regular(100) + _regular(200, 500.0)
    wrong = {*range(40, 70), *range(130, 150), *range(210, 260)}
    stamps = [stamp + 3000.0 if number in wrong else stamp for number, stamp in enumerate(right)]
    times, note = _surveyed(stamps)
    np.testing.assert_allclose(times, right, atol=1e-6)
    assert note == "100 frames have wrong time stamps (first frame 41), they alone were moved"


def test_a_recorder_that_goes_back_only_at_its_end_did_pause() -> None:
    stamps = _regular(20) + _regular(200, 3000.0) + _regular(15, 22.0)
    times, _ = _surveyed(stamps)
    np.testing.assert_allclose(times[:220], stamps[:220])
    np.testing.assert_allclose(np.diff(times[220:]), 0.1, atol=1e-6)


def test_very_many_jumps_are_no_burden() -> None:
    stamps = [float(number * 1_000_003 % 7919) for number in range(6000)]
    times, _ = _surveyed(stamps)
    assert all(later > earlier for earlier, later in itertools.pairwise(times))


def test_pauses_before_every_picture_are_a_slow_recording() -> None:
    stamps = [0.0, 40.0, 85.0, 120.0, 170.0, 171.0, 300.0, 301.0, 302.0, 500.0]
    assert _times(stamps, fps=25) == (stamps, None)


def test_missing_and_repeated_stamps_are_derived_without_moving_the_rest() -> None:
    times, note = _times([None, 5.0, None, 5.2, 5.2, 5.3, 5.25, 5.4, 6.0])
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.325, 0.4, 0.45, 0.5, 1.1])
    assert note is None


def test_a_regular_recording_is_never_read_ahead() -> None:
    taken = 0

    def source() -> Iterator[Stamped[None]]:
        nonlocal taken
        for taken in range(1, 101):
            yield Stamped(taken, taken / 25, None)

    for picture in RecordedClock(25, 3600).pictures(source()):
        assert taken == picture.index


def test_a_failure_while_reading_ahead_costs_no_picture() -> None:
    def source() -> Iterator[Stamped[None]]:
        for index, stamp in enumerate([0.0, 0.1, 500.0, 0.3, 0.4], 1):
            yield Stamped(index, stamp, None)
        raise ReadError("torn")

    pictures = RecordedClock(10, 3600).pictures(source())
    times = [next(pictures).time for _ in range(5)]
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    with pytest.raises(ReadError, match="torn"):
        next(pictures)


def _frames(source: Source) -> list[Any]:
    source.open()
    return list(source.frames())


def _restamped(path: Path, name: str, later: Callable[[int], tuple[float, float]]) -> Path:
    """The same pictures beside it, in a file whose packets come later: seconds for stamp and for order, by number."""
    target = path.with_name(name)
    with av.open(str(path)) as given, av.open(str(target), "w") as changed:
        stream = changed.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(given.demux(video=0)):
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            stamp, order = later(number)
            packet.pts += round(stamp / packet.time_base)
            packet.dts += round(order / packet.time_base)
            packet.stream = stream
            changed.mux(packet)
    return target


@pytest.mark.parametrize("name", ["burst.mkv", "burst.mp4", "burst.ts"])
@pytest.mark.parametrize("frames", ["0", "2"])
def test_a_file_with_a_burst_of_wrong_stamps(
    make_video: MakeVideo, make_source: MakeSource, name: str, frames: str
) -> None:
    path = make_video("right.mp4", 120, options={"bf": frames})
    source = make_source(_restamped(path, name, lambda number: (3000 if 50 <= number < 70 else 0, 0)))
    times = [frame.time for frame in _frames(source)]
    assert len(times) == 120
    np.testing.assert_allclose(times[:45], np.arange(45) / 10, atol=2e-3)
    np.testing.assert_allclose(times[75:], np.arange(75, 120) / 10, atol=2e-3)
    np.testing.assert_allclose(times[45:75], np.arange(45, 75) / 10, atol=0.35)
    assert "wrong time stamps" in (source.stats.warning or "")


@pytest.mark.parametrize("name", ["wrong.mkv", "wrong.mp4"])
def test_a_file_with_one_wrong_stamp(
    make_video: MakeVideo, make_source: MakeSource, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_video("right.mkv", 30, options={"bf": "0"})

    def later(number: int) -> tuple[float, float]:
        jump = 9800 if number >= 12 else 0  # muxers want ascending times: the frames before are 9,800 s behind
        return jump + (2000 if number == 15 else 0), jump

    source = make_source(_restamped(path, name, later))
    times = [frame.time for frame in _frames(source)]
    np.testing.assert_allclose(np.delete(times, 15), np.delete(np.arange(30) / 10, 15), atol=2e-3)
    assert source.stats.warning is not None
    assert "frame 16 has a wrong time stamp" in source.stats.warning
    assert "jumps by 9,800.1 s at frame 13" in source.stats.warning
    assert "incomplete" not in source.stats.warning
    assert len([record for record in caplog.records if "time stamp" in record.getMessage()]) <= 1


def test_joined_transport_streams_play_one_after_the_other(
    make_video: MakeVideo, make_source: MakeSource, tmp_path: Path
) -> None:
    late = make_video("late.ts", 10, stamps=[5_000_000 + 100 * number for number in range(10)])
    both = tmp_path / "both.ts"
    both.write_bytes(late.read_bytes() + make_video("b.ts", 10).read_bytes())
    source = make_source(both)
    np.testing.assert_allclose([frame.time for frame in _frames(source)], np.arange(20) / 10, atol=1e-3)
    assert source.stats.warning is not None
    assert "its clock jumps by" in source.stats.warning
    assert "incomplete" not in source.stats.warning


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.ts", "late.mov"])
def test_a_clock_that_starts_late_is_no_incomplete_file(
    make_video: MakeVideo, make_source: MakeSource, name: str
) -> None:
    stamps = [3_600_000 + 100 * number for number in range(30)]
    source = make_source(make_video(name, 30, stamps=stamps, options={"bf": "0"}))
    np.testing.assert_allclose([frame.time for frame in _frames(source)], np.arange(30) / 10, atol=2e-3)
    assert source.stats.warning is None


def test_a_late_clock_hides_no_cut(make_video: MakeVideo, make_source: MakeSource) -> None:
    stamps = [3_600_000 + 100 * number for number in range(100)]
    path = make_video("late.mkv", 100, stamps=stamps, options={"g": "10"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = make_source(path)
    assert 25 <= len(_frames(source)) <= 75
    assert source.stats.warning is not None
    assert "incomplete file" in source.stats.warning


def test_a_clock_that_is_always_wrong_takes_no_memory() -> None:
    """Fault: each wrong stamp and each jump of a camera was kept for the text of one warning."""
    clock = RecordedClock(10.0, 1.0)
    stamps = [5.0 if number % 50 == 7 else 100.0 * (number // 400) + 0.1 * number for number in range(2000)]
    given = (Stamped(index, stamp, None) for index, stamp in enumerate(stamps, 1))
    assert sum(1 for _ in clock.pictures(given)) == 2000
    assert clock.note is not None
    assert "40 frames have wrong time stamps (first frame 8)" in clock.note
    assert "(the first of 4 jumps)" in clock.note
    assert not any(isinstance(value, list) for value in vars(clock).values())
