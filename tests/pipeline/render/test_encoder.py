"""The encoder: what its files hold, also after a kill or on a full disk."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.records import Image
from relaytrack.pipeline.render import encoder as encoder_module
from relaytrack.pipeline.render.encoder import Encoder, remux
from relaytrack.pipeline.render.h264 import frame_of
from relaytrack.pipeline.report.still import frame_at


def _picture(step: int, width: int = 64, height: int = 48) -> Image:
    image = np.full((height, width, 3), 60, np.uint8)
    image[:, : (step * 2) % width] = (200, 120, 40)
    return image


def _decode(path: Path) -> list[tuple[float, Image]]:
    with av.open(str(path)) as container:
        return [(float(frame.time or 0.0), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_frames_and_uneven_times_come_back(tmp_path: Path) -> None:
    times = [5.0, 5.1, 5.35, 5.4, 7.0, 7.143]
    encoder = Encoder(tmp_path / "a.mp4", crf=10)
    for step, moment in enumerate(times):
        encoder.write(_picture(step), moment)
    encoder.close()
    encoder.close()
    decoded = _decode(tmp_path / "a.mp4")
    np.testing.assert_allclose([moment for moment, _ in decoded], np.array(times) - 5.0, atol=1e-4)
    for step, (_, image) in enumerate(decoded):
        # the middles of both halves have the right colour: nothing is swapped, shifted or washed out
        if step >= 3:
            np.testing.assert_allclose(image[20, step - 1], (200, 120, 40), atol=14)
        np.testing.assert_allclose(image[20, 60], 60, atol=6)


def test_file_plays_in_a_browser_and_belongs_to_its_owner(tmp_path: Path) -> None:
    encoder = Encoder(tmp_path / "a.mp4")
    for step in range(20):
        encoder.write(_picture(step), step / 7)
    encoder.close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert container.format.name.startswith("mov,mp4")
    assert stat.S_IMODE((tmp_path / "a.mp4").stat().st_mode) == 0o600


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47), (33, 21)])
def test_odd_sizes_are_padded(tmp_path: Path, width: int, height: int) -> None:
    encoder = Encoder(tmp_path / "a.mp4", crf=10)
    encoder.write(_picture(5, width, height), 0.0)
    encoder.close()
    [(_, image)] = _decode(tmp_path / "a.mp4")
    assert image.shape[:2] == (height + height % 2, width + width % 2)
    np.testing.assert_allclose(image[-1, -1], image[-2, -2], atol=8)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (66, 50), (62, 22), (352, 578)])
def test_a_frame_holds_the_picture_whatever_its_height(width: int, height: int) -> None:
    image = _picture(5, width, height)
    frame = frame_of(image, 90, key=True)
    assert (frame.width, frame.height, frame.format.name) == (width, height, "yuv420p")
    np.testing.assert_array_equal(frame.to_ndarray(), cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420))


def test_times_that_stand_still_still_give_every_frame(tmp_path: Path) -> None:
    encoder = Encoder(tmp_path / "a.mp4")
    for moment in (1.0, 1.0, 1.0, 0.9, 1.5):
        encoder.write(_picture(1), moment)
    encoder.close()
    times = [moment for moment, _ in _decode(tmp_path / "a.mp4")]
    assert len(times) == 5
    assert all(later > earlier for earlier, later in itertools.pairwise(times))
    assert times[-1] == pytest.approx(0.5, abs=1e-3)


def _written(path: Path, times: Sequence[float], *, fragmented: bool = True, **options: Any) -> Path:
    encoder = Encoder(path, fragmented=fragmented, **options)
    for step, moment in enumerate(times):
        encoder.write(_picture(step), moment)
    encoder.close()
    return path


@pytest.mark.parametrize("fragmented", [True, False])
@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([*np.arange(10) / 10, *(64 + np.arange(10) / 10)], 65.0),  # a pause of 63.1 s
        ([0.0, 63.0], 63.5),  # the last picture's length is anybody's guess, up to a second
        ([0.0, 0.5, 1.0, 1.5], 2.0),
    ],
)
def test_the_header_tells_the_length_once(
    tmp_path: Path, fragmented: bool, times: Sequence[float], seconds: float
) -> None:
    path = _written(tmp_path / "a.mp4", times, fragmented=fragmented)
    remux(path, tmp_path / "b.mp4")
    for name in ("a.mp4", "b.mp4"):
        with av.open(str(tmp_path / name)) as container:
            assert container.duration is not None
            assert container.duration / av.time_base == pytest.approx(seconds, abs=0.6)


@pytest.mark.parametrize("gap", [121.0, 23_870.0, 95_443.7, 2.0e6, 1.7e9])
def test_a_long_pause_is_shortened_and_told(tmp_path: Path, gap: float) -> None:
    told: list[tuple[float, float]] = []
    times = [0.0, 0.2, 0.2 + gap, 0.4 + gap]
    path = _written(tmp_path / "a.mp4", times, on_pause=lambda at, length: told.append((at, length)))
    np.testing.assert_allclose([moment for moment, _ in _decode(path)], [0, 0.2, 2.2, 2.4], atol=1e-3)
    assert told == [(0.2 + gap, pytest.approx(gap))]


def test_every_error_of_ffmpeg_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"^cannot write .*a\.mp4: [^\n]+$"):
        _written(tmp_path / "a.mp4", [0.0, 0.1], preset="none such")
    huge = Encoder(tmp_path / "b.mp4")
    with pytest.raises(OutputError, match=r"^cannot write .*b\.mp4: [^\n]+$"):
        huge.write(np.zeros((2, 40_000, 3), np.uint8), 0.0)
    huge.close()
    whole = _written(tmp_path / "c.mp4", [0.0, 0.1])
    whole.write_bytes(whole.read_bytes()[:200])
    with pytest.raises(OutputError, match=r"^cannot write .*d\.mp4: [^\n]+$"):
        remux(whole, tmp_path / "d.mp4")


def test_no_picture_leaves_no_file(tmp_path: Path) -> None:
    Encoder(tmp_path / "a.mp4").close()
    assert not list(tmp_path.iterdir())


def test_a_disk_that_turned_read_only_does_not_stop_the_giving_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: a file that could not be removed hid the error of the write, as an OSError that nobody expects."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    (tmp_path / "a.mp4").symlink_to("/dev/full")
    encoder = Encoder(tmp_path / "a.mp4", fragmented=False)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(OutputError, match=r"^cannot write .*a\.mp4: No space left on device$"):
            _fill(encoder)
    assert encoder.closed


def test_a_file_that_cannot_be_looked_at_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: where a failed disk let nobody read the file back either, the whole recording was deleted."""
    failed = []

    class Shaky(io.FileIO):
        def write(self, data: Any) -> int:
            if failed:
                raise OSError(errno.EIO, "Input/output error")
            return super().write(data)

        def truncate(self, size: int | None = None) -> int:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(encoder_module, "open_private", lambda path, *_, **__: Shaky(path, "w+"))
    encoder = Encoder(tmp_path / "a.mp4")

    def record(first: int, last: int) -> None:
        for step in range(first, last):
            encoder.write(_picture(step), step / 10)

    record(0, 30)
    failed.append(True)
    with pytest.raises(OutputError, match=r"^cannot write .*a\.mp4: "):
        record(30, 90)
    assert len(_decode(tmp_path / "a.mp4")) > 20


def test_another_size_is_an_error(tmp_path: Path) -> None:
    encoder = Encoder(tmp_path / "a.mp4")
    encoder.write(_picture(0), 0.0)
    with pytest.raises(OutputError, match="32x48"):
        encoder.write(_picture(0, 32), 1.0)
    encoder.close()


def test_remux_keeps_every_frame_and_puts_the_index_in_front(tmp_path: Path) -> None:
    encoder = Encoder(tmp_path / "a.mp4")
    for step in range(50):
        encoder.write(_picture(step), step / 7)
    encoder.close()
    remux(tmp_path / "a.mp4", tmp_path / "b.mp4")
    before, after = _decode(tmp_path / "a.mp4"), _decode(tmp_path / "b.mp4")
    assert [moment for moment, _ in before] == [moment for moment, _ in after]
    assert all((one == other).all() for (_, one), (_, other) in zip(before, after, strict=True))
    data = (tmp_path / "b.mp4").read_bytes()
    assert b"moof" not in data
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_disk_full_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"^cannot write .*a\.mp4: No space left on device$"):
        _fill(Encoder(tmp_path / "a.mp4"))


def _fill(encoder: Encoder) -> None:
    try:
        for step in range(200):
            encoder.write(np.random.default_rng(step).integers(0, 255, (64, 64, 3), np.uint8), step / 7)
    finally:
        encoder.close()  # after the failure: quiet


_FULL = """
import resource, sys
import numpy as np
from pathlib import Path
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.render.encoder import Encoder
limit = 150_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
encoder = Encoder(Path(sys.argv[1]))
rng = np.random.default_rng(0)
try:
    for step in range(500):
        encoder.write(rng.integers(0, 255, (64, 64, 3), np.uint8), step / 7)
except OutputError as error:
    print(step, error)
encoder.close()
"""


def test_what_was_written_before_the_disk_was_full_plays(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    done = subprocess.run([sys.executable, "-c", _FULL, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    step, message = done.stdout.strip().split(" ", 1)
    assert message == f"cannot write {path}: File too large"
    assert len(_decode(path)) >= int(step) - 8  # all but the fragment that did not fit, and nothing torn


_ENDLESS = """
import sys, time
import numpy as np
from pathlib import Path
from relaytrack.pipeline.render.encoder import Encoder
encoder = Encoder(Path(sys.argv[1]))
rng = np.random.default_rng(0)
for step in range(100_000):
    encoder.write(rng.integers(0, 255, (64, 64, 3), np.uint8), step / 25)
    print(step, flush=True)
    time.sleep(0.002)
"""


def test_after_a_kill_it_plays_up_to_the_last_second(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    process = subprocess.Popen([sys.executable, "-c", _ENDLESS, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    deadline = time.monotonic() + 60
    for line in process.stdout:
        if int(line) >= 130 or time.monotonic() > deadline:
            break
    os.kill(process.pid, signal.SIGKILL)
    written = [int(line) for line in process.stdout if line.strip().isdigit()]
    process.stdout.close()
    process.wait()
    last = max([130, *written])
    assert len(_decode_to_the_cut(path)) >= last - 25


def _decode_to_the_cut(path: Path) -> list[float]:
    """The times of all frames that a player gets to see."""
    times: list[float] = []
    with av.open(str(path)) as container, contextlib.suppress(av.error.InvalidDataError):
        times.extend(float(frame.time or 0.0) for frame in container.decode(video=0))
    return times


@pytest.mark.parametrize("folder", ["10:30", "http:results"])
def test_a_folder_with_a_colon_is_no_address(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir()
    source, target = Path(folder, "a.mp4"), Path(folder, "b.mp4")
    _written(source, [0.0, 0.1, 0.2])
    remux(source, target)
    assert frame_at(target, 0.1) is not None
    assert len(_decode(tmp_path / target)) == 3
