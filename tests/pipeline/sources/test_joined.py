"""Recordings that were joined in one file: every picture of every part comes, whatever the later ones are like."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relaytrack.pipeline.config.schema import InputConfig
from relaytrack.pipeline.sources import Source, parts
from relaytrack.pipeline.sources.parts import find_parts
from relaytrack.pipeline.sources.transport import TransportSplitter, packet_size
from tests.support.numbered import number_in

MakeVideo = Callable[..., Path]
MakeSource = Callable[..., Source]
OTHER_PID = {"container_options": {"mpegts_start_pid": "512"}}
OTHER_SERVICE = {
    "container_options": {"mpegts_start_pid": "768", "mpegts_pmt_start_pid": "4352", "mpegts_service_id": "5"}
}
HEVC = {"codec": "libx265", "options": {"x265-params": "log-level=0:crf=10"}}
MPEG2 = {"codec": "mpeg2video", "rate": 25, "options": {"b": "4000000"}}


def read(source: Source) -> list[Any]:
    source.open()
    return list(source.frames())


def joined(tmp_path: Path, *files: Path) -> Path:
    path = tmp_path / f"joined{files[0].suffix}"
    path.write_bytes(b"".join(file.read_bytes() for file in files))
    return path


def check(frames: list[Any], *, first: int = 6, second: int = 9, numbered: bool = True) -> None:
    """All pictures of both parts, with numbers and times that go on."""
    shown = [number_in(frame.image) for frame in frames]
    assert shown[:first] == list(range(1, first + 1))
    assert not numbered or shown[first:] == list(range(1, second + 1))
    assert [frame.index for frame in frames] == list(range(1, first + second + 1))
    steps = np.diff([frame.time for frame in frames])
    assert steps.min() > 0
    assert steps.max() < 0.35


@pytest.mark.parametrize(
    "second",
    [OTHER_PID, OTHER_SERVICE, HEVC, HEVC | OTHER_PID, MPEG2, {"audio": True, **HEVC}, {"size": (320, 192), **HEVC}],
    ids=["pid", "service", "codec", "codec and pid", "mpeg2", "with sound", "size and codec"],
)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_transport_stream_goes_on_as_another_one(
    make_video: MakeVideo,
    make_source: MakeSource,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    second: dict[str, Any],
    threads: int,
) -> None:
    """Fault: the second part was left out without a word, or the file was refused."""
    path = joined(tmp_path, make_video("a.ts", 6), make_video("b.ts", 9, **second))
    source = make_source(path, options=InputConfig(threads=threads))
    with caplog.at_level(logging.WARNING, "relaytrack.sources"):
        check(read(source), numbered="size" not in second)
    assert source.size == (160, 96)
    assert source.stats.broken == 0
    assert source.stats.error is None
    assert source.stats.warning is not None
    assert "another recording begins at frame 7 in this file" in source.stats.warning
    assert len(caplog.records) == 1, "said once"


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.flv", "a.avi"])
@pytest.mark.parametrize("second", [{}, HEVC], ids=["same", "codec"])
def test_other_containers_go_on_too(
    make_video: MakeVideo, make_source: MakeSource, tmp_path: Path, name: str, second: dict[str, Any]
) -> None:
    if second and name.endswith(("flv", "avi")):
        second = {"codec": {"a.flv": "flv1", "a.avi": "mjpeg"}[name]}
    path = joined(tmp_path, make_video(name, 6), make_video(name, 9, **second))
    source = make_source(path)
    check(read(source))
    assert "another recording begins at frame 7" in (source.stats.warning or "")


@pytest.mark.parametrize("names", [("a.h264", "b.hevc"), ("a.hevc", "b.h264"), ("a.264", "b.265")])
@pytest.mark.parametrize("threads", [1, 3])
def test_video_without_a_container_goes_on_in_the_other_codec(
    make_video: MakeVideo, make_source: MakeSource, tmp_path: Path, names: tuple[str, str], threads: int
) -> None:
    """Fault: the second part was lost without a word."""
    options = {"h264": {"codec": "libx264"}, "264": {"codec": "libx264"}, "hevc": HEVC, "265": HEVC}
    one, other = (make_video(name, n, **options[name[2:]]) for name, n in zip(names, (6, 9), strict=True))
    source = make_source(joined(tmp_path, one, other), options=InputConfig(threads=threads))
    frames = read(source)
    assert [number_in(frame.image) for frame in frames] == [*range(1, 7), *range(1, 10)]
    assert [frame.index for frame in frames] == list(range(1, 16))
    assert source.stats.broken == 0
    assert "another recording begins at frame 7" in (source.stats.warning or "")


def test_an_end_that_cannot_be_decoded_is_told(make_video: MakeVideo, make_source: MakeSource, tmp_path: Path) -> None:
    """Fault: what was joined behind a stream and is none of its codec was lost without a word."""
    first, garbage = make_video("a.h264", 6), b"".join(b"\0\0\1\x65" + bytes([n] * 50) for n in range(1, 30))
    path = tmp_path / "joined.h264"
    path.write_bytes(first.read_bytes() + garbage)
    source = make_source(path)
    frames = read(source)
    assert [number_in(frame.image) for frame in frames][:6] == list(range(1, 7))
    assert "packets at the end of a recording in this file cannot be decoded" in (source.stats.warning or "")


def test_fragmented_mp4_goes_on_with_other_pictures(
    make_video: MakeVideo, make_source: MakeSource, tmp_path: Path
) -> None:
    pieces = {"container_options": {"movflags": "frag_keyframe+empty_moov"}}
    path = joined(tmp_path, make_video("a.mp4", 6, **pieces), make_video("b.mp4", 9, size=(320, 192), **pieces))
    check(read(make_source(path)), numbered=False)


def test_many_parts_and_back(make_video: MakeVideo, make_source: MakeSource, tmp_path: Path) -> None:
    first, other = make_video("a.ts", 6), make_video("b.ts", 9, **OTHER_PID)
    source = make_source(joined(tmp_path, first, other, first, other))
    frames = read(source)
    assert [frame.index for frame in frames] == list(range(1, 31))
    assert "another recording begins at frame 7 and 2 more in this file" in (source.stats.warning or "")


def test_a_part_that_cannot_be_read_is_told(make_video: MakeVideo, make_source: MakeSource, tmp_path: Path) -> None:
    first = make_video("a.mp4", 6)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + b"\0\0\0\x20mdat" + bytes(24))
    source = make_source(joined(tmp_path, first, broken, make_video("c.mp4", 9)))
    check(read(source))
    assert "1 recording joined in this file cannot be read and is left out" in (source.stats.warning or "")


def test_a_recording_of_its_own_is_told_nothing(make_video: MakeVideo, make_source: MakeSource) -> None:
    for name in ("a.ts", "a.mkv", "a.avi", "a.flv", "a.mp4", "a.h264", "a.hevc"):
        source = make_source(make_video(name, 6, **(HEVC if name == "a.hevc" else {})))
        assert len(read(source)) == 6
        assert source.stats.warning is None


def test_a_join_in_the_middle_of_a_packet_is_found(
    make_video: MakeVideo, make_source: MakeSource, tmp_path: Path
) -> None:
    """A recorder that was switched off leaves half a packet behind."""
    first, second = make_video("a.ts", 60, options={"g": "5"}), make_video("b.ts", 9, **HEVC)
    path = tmp_path / "cut.ts"
    path.write_bytes(first.read_bytes()[:-1000] + second.read_bytes())
    frames = read(make_source(path))
    assert [number_in(frame.image) for frame in frames][-9:] == list(range(1, 10))
    assert len(frames) >= 60


@pytest.mark.parametrize("size", [188, 192, 204])
def test_the_place_of_the_join_is_exact_whatever_the_packets(make_video: MakeVideo, tmp_path: Path, size: int) -> None:
    def packed(path: Path) -> bytes:
        data = path.read_bytes()
        packets = [data[at : at + 188] for at in range(0, len(data), 188)]
        lead, check_bytes = (bytes(4), b"") if size == 192 else (b"", bytes(size - 188))
        return b"".join(lead + packet + check_bytes for packet in packets)

    first, second = packed(make_video("a.ts", 30)), packed(make_video("b.ts", 9, **HEVC))
    assert packet_size(first) == size
    for step in (1000, 4096, 1 << 20):
        splitter, whole = TransportSplitter(size), first + second
        found = [splitter.feed(at, whole[at : at + step]) for at in range(0, len(first) + step, step)]
        place = next(at for at in found if at is not None)
        assert 0 <= place - len(first) <= 2 * size, "at the first table of the second part"


def test_a_damaged_table_splits_nothing(make_video: MakeVideo, make_source: MakeSource, tmp_path: Path) -> None:
    data = bytearray(make_video("a.ts", 40).read_bytes())
    tables = [at for at in range(0, len(data), 188) if data[at + 1] & 0x1F == 0x10 and data[at + 2] == 0]
    for at in tables[1:]:
        data[at + 17] ^= 0x0F  # the video's type and number
        data[at + 19] ^= 0x0F
    path = tmp_path / "damaged.ts"
    path.write_bytes(data)
    source = make_source(path)
    assert len(read(source)) == 40
    assert source.stats.warning is None


def test_the_end_of_a_long_file_says_nothing_about_its_beginning(
    make_video: MakeVideo, make_source: MakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg looks at the end of a stream for its length, and took the codec that it met there."""
    first = make_video("a.ts", 200, options={"crf": "1", "g": "20"})
    path = joined(tmp_path, first, make_video("b.ts", 9, **HEVC))
    monkeypatch.setattr(parts, "_FARTHEST", 30_000)
    monkeypatch.setattr(parts, "_STEP", 8_000)
    assert path.stat().st_size > 100_000
    source = make_source(path)
    frames = read(source)
    assert [frame.index for frame in frames] == list(range(1, 210))
    assert "incomplete" not in (source.stats.warning or "")


def test_parts_are_closed(make_video: MakeVideo, tmp_path: Path) -> None:
    path = joined(tmp_path, make_video("a.ts", 6), make_video("b.ts", 9, **HEVC))
    begin = find_parts(path, None)
    assert begin is not None
    given = begin()
    first = next(given)
    assert first.find_end() is not None
    second = next(given)
    assert second.find_end() is None
    with pytest.raises(ValueError, match="closed"):
        first.read(1)
    given.close()
    with pytest.raises(ValueError, match="closed"):
        second.read(1)
