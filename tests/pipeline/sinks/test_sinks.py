"""The sinks on made-up steps: videos, mosaic, MOT text, segments, and all of them together."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest
from support.steps import Feed, Shot, step_of, steps_of

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.records import Frame, FrameTracks, Image
from relaytrack.pipeline.results.text_file import TextFile
from relaytrack.pipeline.sinks import create_sinks
from relaytrack.pipeline.sinks.base import Step
from relaytrack.pipeline.sinks.mosaic import MosaicSink
from relaytrack.pipeline.sinks.mot import MotSink, mot_lines
from relaytrack.pipeline.sinks.segments import DiskLimit, Segments
from relaytrack.pipeline.sinks.video import VideoSink


def _tracks(
    camera: str, index: int, seconds: float, *, size: tuple[int, int] = (64, 96), people: int = 1, shade: int = 90
) -> Shot:
    """One frame (width, height) with `people` who stand side by side."""
    image = np.full((size[1], size[0], 3), shade, np.uint8)
    left = 10.0 * np.arange(people, dtype=np.float32)[:, None]
    xyxy = (np.array([[4.25, 30.5, 12.5, 60]], np.float32) + np.hstack((left, 0 * left, left, 0 * left))).astype("f4")
    ids = np.arange(1, people + 1, dtype=np.int64)
    return Shot.of(Frame(camera, index, seconds, image), ids, ids + 40, xyxy, np.full(people, 0.875, np.float32))


def _steps(count: int, *cameras: str, rate: float = 7.0) -> Iterator[Step]:
    feed = Feed(Config.model_validate({"output": {"dir": None}}))
    for index in range(count):
        yield feed.step(*(_tracks(camera, index + 1, index / rate) for camera in cameras))


def _decode(path: Path) -> list[Image]:
    """All pictures that a player gets to see."""
    images: list[Image] = []
    with av.open(str(path)) as container, contextlib.suppress(av.error.InvalidDataError):
        images.extend(frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
    return images


def test_mot_lines_are_in_the_full_pictures_pixels() -> None:
    seen = _tracks("gate", 12, 0.0, people=2)
    moved = FrameTracks(
        Frame("gate", 12, 0.0, seen.image, origin=(100, 50)).info,
        seen.tracks.ids,
        seen.tracks.global_ids,
        seen.tracks.xyxy,
        seen.tracks.scores,
    )
    assert mot_lines(moved, moved.global_ids) == (
        b"12,41,104.25,80.50,8.25,29.50,0.875,-1,-1,-1\n12,42,114.25,80.50,8.25,29.50,0.875,-1,-1,-1\n"
    )


def test_mot_files_are_there_from_the_start_and_whole_after_each_step(tmp_path: Path) -> None:
    sink = MotSink(tmp_path, ["gate", "yard"])
    assert (tmp_path / "tracks/yard.txt").read_bytes() == b""
    for number, step in enumerate(_steps(5, "gate"), 1):
        sink.write(step)
        assert (tmp_path / "tracks/gate.txt").read_bytes().count(b"\n") == number
    sink.close()
    own = (tmp_path / "tracks/gate.txt").read_text().splitlines()
    shared = (tmp_path / "global/gate.txt").read_text().splitlines()
    assert [line.split(",")[1] for line in own] == ["1"] * 5
    assert [line.split(",")[1] for line in shared] == ["41"] * 5
    assert (tmp_path / "global/yard.txt").read_bytes() == b""


def test_mot_on_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "global").mkdir()
    (tmp_path / "global/gate.txt").symlink_to("/dev/full")
    sink = MotSink(tmp_path, ["gate"])
    with pytest.raises(OutputError, match=r"^cannot write .*global/gate\.txt: No space left on device$"):
        sink.write(next(_steps(1, "gate")))
    sink.close()
    assert (tmp_path / "tracks/gate.txt").read_bytes().endswith(b"\n")


_LINES = """
import resource, sys
from pathlib import Path
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.sinks.mot import TextFile
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file = TextFile(Path(sys.argv[1]))
try:
    while True:
        file.write(b"x" * 29 + b"\\n" + b"y" * 39 + b"\\n")
except OutputError as error:
    print(error)
"""


def test_a_line_that_does_not_fit_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    done = subprocess.run([sys.executable, "-c", _LINES, str(path)], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"cannot write {path}: File too large\n", done.stderr
    assert path.stat().st_size == 14 * 70


def test_videos_have_every_frame_and_start_at_the_cameras_own(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path)
    for index in range(6):
        late = (_tracks("yard", index, index / 7),) if index >= 2 else ()
        sink.write(step_of(_tracks("gate", index + 1, index / 7), *late))
    sink.close()
    assert len(_decode(tmp_path / "gate.mp4")) == 6
    assert len(_decode(tmp_path / "yard.mp4")) == 4
    with av.open(str(tmp_path / "yard.mp4")) as container:
        assert next(container.decode(video=0)).time == 0


def test_recordings_come_back_when_the_folder_was_deleted_to_make_room(tmp_path: Path) -> None:
    """Fault: after a failure the room was sought on a folder that is gone, for ever."""
    sink = VideoSink(tmp_path / "run" / "video", segment=60.0)
    first, second = _steps(2, "gate")
    sink.write(first)
    sink.resume()
    shutil.rmtree(tmp_path / "run")
    sink.write(second)
    sink.close()
    [path] = (tmp_path / "run" / "video" / "gate").iterdir()
    assert len(_decode(path)) == 1
    assert len((tmp_path / "run" / "video" / "index.jsonl").read_text().splitlines()) == 2


def test_text_goes_on_in_new_files_when_the_old_ones_cannot_be_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the error of closing a file came out of `resume`, and the old files were kept."""
    sink = MotSink(tmp_path, ["gate"], segment=60.0)
    first, second = _steps(2, "gate")
    sink.write(first)
    closed: list[Path] = []

    def broken(file: TextFile) -> None:
        closed.append(file.path)
        file._file.close()
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(TextFile, "close", broken)
        sink.resume()
    assert {path.parent.parent.name for path in closed} == {"tracks", "global"}, "each was given back"
    sink.write(second)
    sink.close()
    for kind in ("tracks", "global"):
        assert [len(path.read_text().splitlines()) for path in (tmp_path / kind / "gate").iterdir()] == [1, 1]


def test_a_new_resolution_goes_on_in_the_same_file(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path)
    sink.write(step_of(_tracks("gate", 1, 0.0)))
    sink.write(step_of(_tracks("gate", 2, 0.1, size=(128, 192))))
    sink.close()
    assert [image.shape for image in _decode(tmp_path / "gate.mp4")] == [(96, 64, 3)] * 2


def test_one_failing_video_does_not_leave_the_others_open(tmp_path: Path) -> None:
    (tmp_path / "gate.mp4").symlink_to("/dev/full")
    sink = VideoSink(tmp_path)
    with pytest.raises(OutputError, match=r"gate\.mp4"):
        sink.write(next(_steps(1, "yard", "gate")))
    sink.close()
    assert _decode(tmp_path / "yard.mp4")


def _mosaic(tmp_path: Path, moments: list[tuple[Shot, ...]], cameras: list[str], width: int = 1280) -> list[Image]:
    sink = MosaicSink(tmp_path / "mosaic.mp4", cameras, width=width)
    for step in steps_of(moments):
        sink.write(step)
    sink.close()
    return _decode(tmp_path / "mosaic.mp4")


def test_mosaic_shows_the_latest_picture_of_each_camera(tmp_path: Path) -> None:
    steps: list[tuple[Shot, ...]] = [
        (_tracks("a", 1, 0.0, shade=40), _tracks("b", 1, 0.0, shade=200)),
        (_tracks("a", 2, 0.1, shade=120),),
        (_tracks("b", 2, 0.2, shade=80),),
    ]
    images = _mosaic(tmp_path, steps, ["a", "b"])
    assert images[0].shape == (96, 64 + 4 + 64, 3)
    shades = [(int(image[90, 32, 0]), int(image[90, 100, 0])) for image in images]
    np.testing.assert_allclose(shades, [(40, 200), (120, 200), (120, 80)], atol=6)


def test_mosaic_follows_another_length_of_trail(tmp_path: Path) -> None:
    """Scaled pictures are drawn in the mosaic itself; the trail is the only thing there that the past changes."""
    shots = [_tracks("a", number, number * 0.1, size=(640, 480)) for number in range(1, 9)]
    for number, shot in enumerate(shots):
        shot.tracks.xyxy[:] = np.array([40 + 50 * number, 100, 90 + 50 * number, 300], np.float32)
    steps = list(steps_of([(shot,) for shot in shots]))

    def last(trail: float, then: float, *, given: list[Step]) -> Image:
        sink = MosaicSink(tmp_path / "mosaic.mp4", ["a"], width=320, trail=trail)
        for step in given[:-1]:
            sink.write(step)
        sink.set_trail(then)
        sink.write(given[-1])
        sink.close()
        return sink._canvas.copy()

    without = last(0.0, 0.0, given=steps)
    assert (last(2.0, 2.0, given=steps) != without).any(), "a trail can be seen"
    np.testing.assert_array_equal(last(2.0, 0.0, given=steps), without)


def test_mosaic_greys_a_camera_that_went_silent_and_brings_it_back(tmp_path: Path) -> None:
    color = _tracks("b", 1, 0.0)
    color.image[:] = (200, 60, 60)
    steps: list[tuple[Shot, ...]] = [(_tracks("a", 1, 0.0), color)]
    steps += [(_tracks("a", 2 + k, (k + 1) * 0.5),) for k in range(6)]
    again = _tracks("b", 2, 3.5)
    again.image[:] = (200, 60, 60)
    steps.append((again,))
    images = _mosaic(tmp_path, steps, ["a", "b"])
    spread = [int(np.ptp(image[90, 120].astype(int))) for image in images]
    assert min(spread[:5]) > 90  # 2 seconds are not yet silence
    assert max(spread[5:7]) < 20
    assert spread[7] > 90


def test_mosaic_before_the_first_picture_and_without_a_square_grid(tmp_path: Path) -> None:
    images = _mosaic(tmp_path, [(_tracks("a", 1, 0.0, size=(160, 90)),)], ["a", "b", "c"])
    height, width = images[0].shape[:2]
    assert 1.2 < width / height < 2.6
    assert images[0][45, 5].max() > 60
    assert images[0][20, 160 + 4 + 20].max() < 70


def test_mosaic_is_no_wider_than_asked_and_fits_other_shapes(tmp_path: Path) -> None:
    step = (_tracks("a", 1, 0.0, size=(400, 300), shade=250), _tracks("b", 1, 0.0, size=(100, 300), shade=250))
    [image] = _mosaic(tmp_path, [step], ["a", "b"], width=300)
    assert image.shape[1] <= 300
    right = image[image.shape[0] // 2, image.shape[1] // 2 + 4 :, 0]
    assert right[:20].max() < 70  # bars beside the narrow picture
    assert right[len(right) // 2] > 230


def test_live_runs_are_cut_into_segments_with_dates(tmp_path: Path) -> None:
    config = Config.model_validate({"output": {"dir": str(tmp_path), "segment_minutes": 1 / 60, "mosaic": False}})
    sinks = create_sinks(config, ["gate"], live=True)
    before = time.time()
    for shots in [_tracks("gate", k + 1, k / 7).at(epoch=before + k / 7) for k in range(21)]:
        step = step_of(shots)
        for sink in sinks:
            sink.write(step)
    for sink in sinks:
        sink.close()
    videos = sorted((tmp_path / "video/gate").iterdir())
    assert [len(_decode(path)) for path in videos] == [7, 7, 7]
    stamp = datetime.strptime(videos[0].stem, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
    assert abs(stamp - before) < 5
    for kind in ("tracks", "global"):
        texts = sorted((tmp_path / kind / "gate").iterdir())
        assert [path.stem for path in texts] == [path.stem for path in videos]
        assert [path.read_text().count("\n") for path in texts] == [7, 7, 7]


def test_a_long_pause_of_a_live_camera_begins_a_new_segment(tmp_path: Path) -> None:
    segments = Segments(tmp_path / "gate.mp4", 600.0)
    times = [0.0, 1.0, 100.0, 221.0, 222.0, 599.0, 600.0]
    new = [segments.next_path(_tracks("gate", n, moment).tracks.frame) is not None for n, moment in enumerate(times, 1)]
    assert new == [True, False, False, True, False, True, True]


def test_a_pause_of_hours_ends_no_run_and_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = Config.model_validate({"output": {"dir": str(tmp_path)}})
    sinks = create_sinks(config, ["gate", "yard"], live=False)
    for index, moment in enumerate([0.0, 1.0, 30_000.0, 30_001.0, 90_000.0], 1):
        for sink in sinks:
            sink.write(step_of(_tracks("gate", index, moment), _tracks("yard", index, moment)))
    for sink in sinks:
        sink.close()
    for name in ("gate", "yard", "mosaic"):
        assert len(_decode(tmp_path / f"video/{name}.mp4")) == 5
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == [
        "no pictures for 8:19:59.0 before 8:20:00.0: the videos shorten it to 2 s, and their clock shows the true time"
    ]


def test_disk_limit_removes_the_oldest_segments_of_any_kind(tmp_path: Path) -> None:
    def make(name: str, size: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0" * size)
        return path

    old = [make(f"{kind}/gate/20261120T1000{n:02d}.bin", 100) for n in (0, 10) for kind in ("tracks", "video")]
    current = [make("video/gate/20261120T100020.bin", 500), make("tracks/gate/20261120T100020.bin", 100)]
    foreign = [make("video/gate/a-film.bin", 9000), make("video/film.bin", 9000)]
    limit = DiskLimit(tmp_path, 800)
    limit.write(step_of(_tracks("gate", 1, 0.0)))
    assert [path.exists() for path in old] == [False, False, True, True]
    make("video/gate/20261120T100030.bin", 800)
    limit.write(step_of(_tracks("gate", 1, 5.0)))
    assert old[2].exists()  # not yet time to look again
    limit.write(step_of(_tracks("gate", 1, 10.0)))
    assert not any(path.exists() for path in [*old, current[0]])
    assert current[1].exists()  # the newest of each camera is being written
    assert all(path.exists() for path in foreign)


def test_the_configuration_chooses_the_sinks(tmp_path: Path) -> None:
    def files(**output: object) -> set[str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        config = Config.model_validate({"output": {"dir": str(folder), **output}})
        sinks = create_sinks(config, ["gate"], live=False)
        for step in _steps(3, "gate"):
            for sink in sinks:
                sink.write(step)
        for sink in sinks:
            sink.close()
            sink.close()
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    text = {"tracks/gate.txt", "global/gate.txt", "identities.json", "events.jsonl"}
    crops = {"crops/41.jpg", "crops/gate/1-1.jpg"}
    assert files(video=False, crops=False) == text
    assert files(mosaic=False) == text | crops | {"video/gate.mp4"}
    assert files() == text | crops | {"video/gate.mp4", "video/mosaic.mp4"}


_ENDLESS = """
import sys
sys.path[:0] = [sys.argv[2], sys.argv[3]]
from pathlib import Path
from test_sinks import _steps
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.sinks import create_sinks
config = Config.model_validate({"output": {"dir": sys.argv[1]}})
sinks = create_sinks(config, ["gate", "yard"], live=False)
for number, step in enumerate(_steps(1_000_000, "gate", "yard")):
    for sink in sinks:
        sink.write(step)
    print(number, flush=True)
"""


def test_after_a_kill_text_is_whole_and_videos_play(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(tmp_path), str(Path(__file__).parent), str(Path(__file__).parents[2])],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 60:
            break
    os.kill(process.pid, signal.SIGKILL)
    rest = [int(line) for line in process.stdout if line.strip().isdigit()]
    process.stdout.close()
    process.wait()
    last = max([60, *rest])
    for name in ("gate", "yard"):
        for kind in ("tracks", "global"):
            text = (tmp_path / kind / f"{name}.txt").read_text()
            assert text.endswith("\n")
            assert all(line.count(",") == 9 and line.endswith("-1,-1,-1") for line in text.splitlines())
            assert len(text.splitlines()) >= last
        assert len(_decode(tmp_path / "video" / f"{name}.mp4")) >= last - 7
    assert len(_decode(tmp_path / "video/mosaic.mp4")) >= last - 7
