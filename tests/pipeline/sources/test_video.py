"""Video files: no frame lost, right numbers and times, whatever the container and the codec do."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from relaytrack.pipeline.config.schema import InputConfig, RunConfig
from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.sources import Source
from tests.support.numbered import number_in, numbered_image


def read(source: Source) -> list[Any]:
    source.open()
    return list(source.frames())


MakeVideo = Callable[..., Path]
MakeSource = Callable[..., Source]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("plain.mp4", "libx264", {"bf": "0"}),
        ("b_frames.mp4", "libx264", {"preset": "medium", "bf": "3", "b_strategy": "0"}),
        ("b_frames.mkv", "libx264", {"preset": "medium", "bf": "3", "b_strategy": "0"}),
        ("b_frames.avi", "libx264", {"preset": "medium", "bf": "3", "b_strategy": "0"}),
        ("stream.ts", "libx264", {"preset": "medium", "bf": "2"}),
        ("old.avi", "mpeg4", {"bf": "0"}),
        ("old_b.avi", "mpeg4", {"bf": "2"}),
        ("motion.avi", "mjpeg", {}),
    ],
)
@pytest.mark.parametrize("threads", [1, 3])
def test_every_frame_comes_once_in_order_with_its_time(
    make_video: MakeVideo, make_source: MakeSource, name: str, codec: str, options: dict[str, str], threads: int
) -> None:
    path = make_video(name, 25, rate=10, codec=codec, options=options)
    source = make_source(path, options=InputConfig(threads=threads))
    frames = read(source)
    assert [number_in(frame.image) for frame in frames] == list(range(1, 26))
    assert [frame.index for frame in frames] == list(range(1, 26))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(25) / 10, atol=1e-9)
    assert source.fps == pytest.approx(10)
    assert source.size == (160, 96)
    assert source.stats.frames == 25
    assert source.stats.broken == source.stats.dropped == 0
    assert source.stats.error is None
    assert source.stats.warning is None
    assert all(frame.image.flags.c_contiguous and frame.image.dtype == np.uint8 for frame in frames)


def test_a_stream_without_any_timestamps_gets_derived_times(make_video: MakeVideo, make_source: MakeSource) -> None:
    path = make_video("raw.h264", 25, rate=25, options={"preset": "medium", "bf": "2"})
    frames = read(make_source(path))
    assert [number_in(frame.image) for frame in frames] == list(range(1, 26))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(25) / 25, atol=1e-9)


@pytest.mark.parametrize("name", ["varying.mp4", "varying.mkv"])
def test_varying_frame_rate_keeps_the_files_own_times(
    make_video: MakeVideo, make_source: MakeSource, name: str
) -> None:
    stamps = [700, 740, 900, 1000, 1500, 1501, 2700]  # milliseconds; the first is not 0
    frames = read(make_source(make_video(name, 7, stamps=stamps)))
    assert [number_in(frame.image) for frame in frames] == list(range(1, 8))
    expected = (np.array(stamps) - stamps[0]) / 1000
    np.testing.assert_allclose([frame.time for frame in frames], expected, atol=1e-3)


def test_offset_moves_the_clock_and_max_seconds_ends_by_it(make_video: MakeVideo, make_source: MakeSource) -> None:
    frames = read(make_source(make_video(), offset=0.5, run=RunConfig(max_seconds=1.2)))
    np.testing.assert_allclose([frame.time for frame in frames], 0.5 + np.arange(7) / 10)


def test_max_fps_leaves_frames_out_and_keeps_their_numbers(make_video: MakeVideo, make_source: MakeSource) -> None:
    path = make_video(frames=30, rate=30)
    for source in (make_source(path, max_fps=10), make_source(path, run=RunConfig(fps=10))):
        frames = read(source)
        assert [frame.index for frame in frames] == list(range(1, 31, 3))
        assert [number_in(frame.image) for frame in frames] == list(range(1, 31, 3))
        assert source.fps == pytest.approx(10)
        assert source.stats.frames == 10
        assert source.stats.dropped == 0
    own = read(make_source(path, max_fps=15, run=RunConfig(fps=10)))
    assert len(own) == 15, "a camera's own limit goes before the run's"


def test_roi_cuts_the_region_and_says_where_it_was(make_video: MakeVideo, make_source: MakeSource) -> None:
    path = make_video()
    whole = read(make_source(path))
    source = make_source(path, roi=(15, 3, 101, 57))
    frames = read(source)
    assert source.size == (101, 57)
    for full, cut in zip(whole, frames, strict=True):
        np.testing.assert_array_equal(cut.image, full.image[3:60, 15:116])
        assert cut.origin == (15, 3)
        assert cut.image.flags.c_contiguous


@pytest.mark.parametrize("roi", [(100, 0, 61, 20), (0, 90, 20, 7), (500, 500, 20, 20)])
def test_roi_beyond_the_picture_is_an_error(
    make_video: MakeVideo, make_source: MakeSource, roi: tuple[int, int, int, int]
) -> None:
    with pytest.raises(SourceError, match=r"camera 'door': roi .* beyond the picture of 160 x 96 pixels"):
        make_source(make_video(), roi=roi).open()


def test_colours_are_rgb(tmp_path: Path, make_source: MakeSource) -> None:
    path = tmp_path / "red.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 66, 50, "yuv420p"  # a width that FFmpeg pads
        red = np.zeros((50, 66, 3), np.uint8)
        red[..., 0] = 255
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")))
        container.mux(stream.encode())
    for frame in read(make_source(path)):
        assert frame.image.shape == (50, 66, 3)
        np.testing.assert_allclose(frame.image.reshape(-1, 3).mean(0), [255, 0, 0], atol=8)


@pytest.mark.skipif(not hasattr(av.VideoFrame, "rotation"), reason="this PyAV does not tell the rotation")
def test_a_film_from_a_telephone_is_turned_upright(make_video: MakeVideo, make_source: MakeSource) -> None:
    path = make_video("turned.mp4")
    data = bytearray(path.read_bytes())
    upright = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    quarter = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    at = data.index(upright, data.index(b"tkhd"))
    data[at : at + 36] = quarter
    path.write_bytes(data)
    source = make_source(path)
    frames = read(source)
    assert source.size == (96, 160)
    turned = [np.rot90(frame.image, 1) for frame in frames]
    assert [number_in(image) for image in turned] == list(range(1, 21))


def _squeezed(path: Path, aspect: Fraction, rate: int = 5) -> Path:
    """A video of a bright disc in the middle, 64 pixels wide and high when the pixels have their true shape."""
    width, height = 2 * round(80 / max(aspect, Fraction(1))), 2 * round(48 * min(aspect, Fraction(1)))
    y, x = np.mgrid[:height, :width]
    disc = np.hypot((x + 0.5) * 160 / width - 80, (y + 0.5) * 96 / height - 48) < 32
    image = np.repeat((disc * 200 + 20).astype(np.uint8)[..., None], 3, axis=2)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=rate, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(10, 11), Fraction(1, 2), Fraction(16, 11)])
@pytest.mark.parametrize("name", ["dvd.mp4", "dvd.mkv", "dvd.ts"])
def test_pixels_that_are_not_square_are_looked_at_in_their_true_shape(
    tmp_path: Path, make_source: MakeSource, aspect: Fraction, name: str
) -> None:
    source = make_source(_squeezed(tmp_path / name, aspect))
    frames = read(source)
    assert source.size == frames[0].image.shape[1::-1]
    disc = frames[0].image[..., 0] > 120
    rows, columns = np.flatnonzero(disc.any(1)), np.flatnonzero(disc.any(0))
    assert len(columns) / len(rows) == pytest.approx(1.0, abs=0.05)
    stored = 4 * round(80 / max(aspect, Fraction(1))) * round(48 * min(aspect, Fraction(1)))
    assert frames[0].image[..., 0].size >= stored, "no pixel is lost"


def test_the_configured_pixel_aspect_goes_before_the_videos_own(tmp_path: Path, make_source: MakeSource) -> None:
    path = _squeezed(tmp_path / "a.mp4", Fraction(2))
    assert read(make_source(path, pixel_aspect=1.0))[0].image.shape == (96, 80, 3)
    assert read(make_source(path, roi=(80, 0, 80, 96)))[0].image.shape == (96, 80, 3)
    assert read(make_source(_squeezed(tmp_path / "b.mp4", Fraction(1)), pixel_aspect=2.0))[0].image.shape[1] == 320


def test_a_change_of_size_within_a_stream_keeps_the_first_size(
    make_video: MakeVideo, make_source: MakeSource, tmp_path: Path
) -> None:
    first, second = make_video("a.ts", 5), make_video("b.ts", 5, size=(320, 192))
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    source = make_source(both)
    frames = read(source)
    assert len(frames) == 10
    assert {frame.image.shape for frame in frames} == {(96, 160, 3)}
    times = [frame.time for frame in frames]
    assert times == sorted(set(times)), "times ascend though the second part starts anew"


@pytest.mark.parametrize("name", ["two.mp4", "two.mkv", "two.ts"])
@pytest.mark.parametrize("order", [0, 1])
def test_of_two_videos_in_a_file_the_larger_one_is_read(
    tmp_path: Path, make_source: MakeSource, name: str, order: int
) -> None:
    """Fault: the first one was read, which may be a preview of one picture."""
    path = tmp_path / name
    sizes = [(64, 48, 2), (160, 96, 12)][:: -1 if order else 1]
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for width, height, _ in sizes:
            stream: Any = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        for stream, (width, height, count) in zip(streams, sizes, strict=True):
            for number in range(1, count + 1):
                image = numbered_image(number, width, height)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
    source = make_source(path)
    assert [number_in(frame.image) for frame in read(source)] == list(range(1, 13))
    assert source.size == (160, 96)
    assert source.stats.warning == "camera 'door': 2 videos in it: the largest, 160 x 96, is read"


def test_metadata_in_another_encoding_does_no_harm(make_video: MakeVideo, make_source: MakeSource) -> None:
    path = make_video("title.avi", 5)
    data = path.read_bytes()
    assert b"Lavf" in data
    path.write_bytes(data.replace(b"Lavf", b"\xe4\xf6\xfc\xdf"))
    assert len(read(make_source(path))) == 5


@pytest.mark.parametrize("name", ["h264.mp4", "h264.ts", "h264.mkv"])
def test_damage_within_a_video_costs_only_frames(make_video: MakeVideo, make_source: MakeSource, name: str) -> None:
    path = make_video(name, 60, options={"g": "10", "bf": "0"})
    intact = path.read_bytes()
    for seed in range(4):
        random = np.random.default_rng(seed)
        data = bytearray(intact)
        for at in random.integers(len(data) // 3, len(data) // 2, 12):
            data[at] ^= 0xFF
        path.write_bytes(data)
        frames = read(make_source(path))
        assert len(frames) >= 20
        times = [frame.time for frame in frames]
        assert times == sorted(set(times))
        assert {frame.image.shape for frame in frames} == {(96, 160, 3)}


def test_broken_packets_are_skipped_and_counted(make_video: MakeVideo, make_source: MakeSource) -> None:
    path = make_video("broken.avi", 20, codec="mjpeg")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for number in (4, 9, 10):
        position, size = packets[number]
        data[position : position + size] = bytes(size)
    path.write_bytes(data)
    source = make_source(path)
    frames = read(source)
    assert source.stats.broken == 3
    intact = [number for number in range(1, 21) if number not in (5, 10, 11)]
    assert [number_in(frame.image) for frame in frames] == intact
    assert [frame.index for frame in frames] == intact, "a broken frame keeps its number"


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("movflags", ["faststart", "frag_keyframe+empty_moov+default_base_moof"])
def test_an_mp4_cut_in_half_runs_to_the_cut_and_warns(
    make_video: MakeVideo, make_source: MakeSource, movflags: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_video(frames=100, options={"g": "10", "bf": "0"}, container_options={"movflags": movflags})
    cut_in_half(path)
    source = make_source(path)
    with caplog.at_level(logging.WARNING, "relaytrack.sources"):
        frames = read(source)
    assert 25 <= len(frames) <= 75
    shown = [number_in(frame.image) for frame in frames]
    assert shown[:-1] == list(range(1, len(frames)))  # the last one may be half a picture
    assert "camera 'door': incomplete file" in caplog.text
    assert source.stats.warning is not None
    assert source.stats.error is None


def test_another_container_cut_in_half_warns_too(
    make_video: MakeVideo, make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_video("long.mkv", 100, options={"g": "10"})
    cut_in_half(path)
    frames = read(make_source(path))
    assert 25 <= len(frames) <= 75
    assert "camera 'door': incomplete file" in caplog.text


def test_frames_can_be_left_early_and_the_file_is_let_go(make_video: MakeVideo, make_source: MakeSource) -> None:
    source = make_source(make_video())
    source.open()
    for frame in source.frames():
        assert frame.index == 1
        break
    source.close()
    source.close()


def test_a_file_keeps_its_frames_from_one_reading_to_the_next(make_video: MakeVideo, make_source: MakeSource) -> None:
    path = make_video(options={"preset": "medium", "bf": "2"})
    for one, other in zip(read(make_source(path)), read(make_source(path)), strict=True):
        assert (one.index, one.time) == (other.index, other.time)
        np.testing.assert_array_equal(one.image, other.image)


def test_the_last_picture_of_a_slow_time_lapse_has_its_time(make_video: MakeVideo, make_source: MakeSource) -> None:
    """Fault: "incomplete file: it ends at 400.0 s of 500.0 s" of five pictures, 100 s each."""
    path = make_video("slow.mp4", 5, stamps=[0, 100_000, 200_000, 300_000, 400_000])
    stream = av.open(str(path)).streams.video[0]
    assert stream.duration is not None
    source = make_source(path)
    source.open()
    assert source._reader is not None
    source._reader.duration = 500.0  # ffmpeg tells it so; PyAV lets the last picture last no time
    assert len(list(source.frames())) == 5
    assert source.stats.warning is None
