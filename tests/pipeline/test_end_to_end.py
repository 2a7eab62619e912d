"""The whole pipeline on the sample clips: what it writes, twice the same, alone or together, and when it is ended."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from relaytrack.pipeline import Pipeline, load_config
from relaytrack.pipeline.records import FrameTracks
from relaytrack.pipeline.runtime.summary import Summary

SECONDS = 8.0
RELAYTRACK = [sys.executable, "-m", "relaytrack.pipeline.cli.main"]


def run(samples: Path, out: Path, cameras: tuple[str, ...] = ("west", "east"), **changed: object) -> Summary:
    data = {"cameras": [str(samples / f"{camera}.mp4") for camera in cameras]}
    overrides = {"output.dir": str(out), "run.max_seconds": SECONDS, "run.device": "cpu", **changed}
    return Pipeline(load_config(data=data, overrides=overrides)).run()


@pytest.fixture(scope="session")
def joint(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    out = tmp_path_factory.mktemp("joint")
    return out, run(samples, out)


def lines(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.loadtxt(path, delimiter=",", ndmin=2)


def frames_in(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        return [frame.time for frame in container.decode(stream) if frame.time is not None]


def test_everything_that_was_promised_is_written(joint: tuple[Path, Summary]) -> None:
    out, summary = joint
    steps = int(SECONDS * 7)
    for camera in ("west", "east"):
        assert summary.cameras[camera].frames == steps
        times = frames_in(out / "video" / f"{camera}.mp4")
        assert len(times) == steps
        assert np.allclose(np.diff(times), 1 / 7, atol=2e-3)
        tracks, final = lines(out / "tracks" / f"{camera}.txt"), lines(out / "global" / f"{camera}.txt")
        found = {tuple(row) for row in np.delete(tracks, 1, axis=1)}
        filled = np.array([tuple(row) not in found for row in np.delete(final, 1, axis=1)])
        assert len(tracks) - np.count_nonzero(~filled) <= 0.02 * len(tracks)
        for frame, person in final[filled, :2]:  # only between boxes of a person that are at most 2 s apart
            known = final[~filled & (final[:, 1] == person), 0]
            assert known[known > frame].min() - known[known < frame].max() <= 2 * 7
        assert np.all(np.diff(tracks[:, 0]) >= 0)
        assert tracks[:, 0].min() >= 1
        assert tracks[:, 0].max() <= steps
        assert len(np.unique(final[:, :2], axis=0)) == len(final), "an identity is twice in one frame"
    assert len(frames_in(out / "video" / "mosaic.mp4")) >= steps


def test_identities_and_run_json_agree_with_the_text(joint: tuple[Path, Summary]) -> None:
    out, summary = joint
    identities = json.loads((out / "identities.json").read_text())["identities"]
    seen = {c: set(lines(out / "global" / f"{c}.txt")[:, 1].astype(int).tolist()) for c in ("west", "east")}
    for identity in identities:
        assert identity["cameras"] == sorted(c for c in seen if identity["id"] in seen[c])
        assert (out / identity["crop"]).stat().st_size > 0
        assert 0 <= identity["first"] <= identity["last"] < SECONDS
    assert {identity["id"] for identity in identities} == seen["west"] | seen["east"]
    assert len(summary.identities) == len(identities)
    info = json.loads((out / "run.json").read_text())
    assert info["final"] is True
    assert info["networks"]["detector"]["provider"]
    assert info["networks"]["embedder"]["provider"]
    assert "research only" in info["networks"]["embedder"]["licence"]
    assert "Market-1501" in info["networks"]["embedder"]["notice"]
    assert info["cameras"]["west"]["dropped"] == info["cameras"]["west"]["broken"] == 0
    assert info["cameras"]["west"]["input_side"] == 416
    assert 30 < info["cameras"]["west"]["smallest_person"] < 60
    assert {"detect", "embed", "track", "write"} <= set(info["stages"])
    assert info["config"]["run"]["max_seconds"] == SECONDS


def test_files_are_their_owners_only(joint: tuple[Path, Summary]) -> None:
    out, _ = joint
    for path in out.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_two_runs_are_byte_identical(joint: tuple[Path, Summary], samples: Path, tmp_path: Path) -> None:
    run(samples, tmp_path / "again", **{"output.video": False, "input.queue": 1})
    for name in ("tracks/west.txt", "tracks/east.txt", "global/west.txt", "global/east.txt", "identities.json"):
        assert (joint[0] / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_inference_streams_change_nothing_but_the_speed(samples: Path, tmp_path: Path) -> None:
    for streams in (1, 3):
        run(
            samples,
            tmp_path / str(streams),
            **{"output.video": False, "run.threads": 1, "run.inference_streams": streams},
        )
    for name in ("tracks/west.txt", "tracks/east.txt", "global/west.txt", "global/east.txt", "identities.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


@pytest.mark.parametrize("camera", ["west", "east"])
def test_a_camera_alone_gives_the_same_tracks(
    joint: tuple[Path, Summary], samples: Path, tmp_path: Path, camera: str
) -> None:
    run(samples, tmp_path / "alone", (camera,), **{"output.video": False})
    together, alone = joint[0] / "tracks" / f"{camera}.txt", tmp_path / "alone" / "tracks" / f"{camera}.txt"
    assert together.read_bytes() == alone.read_bytes()


def test_one_camera_that_fails_later_does_not_stop_the_other(samples: Path, tmp_path: Path) -> None:
    whole = (samples / "east.mp4").read_bytes()
    (tmp_path / "east.mp4").write_bytes(whole[: len(whole) // 8])
    data = {"cameras": [str(samples / "west.mp4"), str(tmp_path / "east.mp4")]}
    changed = {"output.dir": str(tmp_path / "out"), "run.max_seconds": SECONDS, "output.video": False}
    summary = Pipeline(load_config(data=data, overrides=changed)).run()
    assert summary.cameras["west"].frames == int(SECONDS * 7)
    assert 0 < summary.cameras["east"].frames < int(SECONDS * 7)
    assert "incomplete file" in (summary.cameras["east"].warning or "")


def test_a_sink_of_ones_own_gets_every_step(samples: Path, tmp_path: Path) -> None:
    class Count:
        def __init__(self) -> None:
            self.frames = 0
            self.closed = False

        def write(self, step: tuple[FrameTracks, ...]) -> None:
            for seen in step:
                assert len(seen.ids) == len(seen.global_ids) == len(seen.xyxy) == len(seen.scores)
                self.frames += 1

        def close(self) -> None:
            self.closed = True

    sink = Count()
    changed = {"output.dir": str(tmp_path), "output.video": False, "run.max_seconds": 2.0}
    config = load_config(data={"cameras": [str(samples / "west.mp4")]}, overrides=changed)
    Pipeline(config, sinks=[sink]).run()
    assert sink.frames == 14
    assert sink.closed


def test_a_run_that_is_stopped_lists_what_it_knew_at_the_end(samples: Path, tmp_path: Path) -> None:
    config = load_config(
        data={"cameras": [str(samples / f"{camera}.mp4") for camera in ("west", "east")]},
        overrides={"output.dir": str(tmp_path), "output.video": False, "run.device": "cpu"},
    )

    class Stop:
        steps = 0

        def write(self, step: tuple[FrameTracks, ...]) -> None:
            self.steps += 1
            if self.steps == 70:
                pipeline.stop()

        def close(self) -> None:
            pass

    pipeline = Pipeline(config, sinks=[Stop()])
    summary = pipeline.run()
    listed = json.loads((tmp_path / "identities.json").read_text())["identities"]
    assert json.loads((tmp_path / "run.json").read_text())["final"] is False
    assert {entry["id"]: set(entry["cameras"]) for entry in listed} == summary.identities


def start_live(samples: Path, out: Path) -> subprocess.Popen[str]:
    """Play the clips by their own clock, and return once the first frames have been written."""
    command = [*RELAYTRACK, "run", "--out", str(out), "--live", "--device", "cpu"]
    for camera in ("west", "east"):
        command += ["--source", str(samples / f"{camera}.mp4")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 90
    while time.monotonic() < limit and process.poll() is None:
        written = list((out / "tracks").rglob("*.txt"))
        if written and sum(path.stat().st_size for path in written) > 1000:
            break
        time.sleep(0.1)
    return process


def check_text(out: Path) -> None:
    for path in [*(out / "tracks").rglob("*.txt"), *(out / "global").rglob("*.txt")]:
        text = path.read_text()
        assert text == "" or text.endswith("\n"), path
        assert all(line.count(",") == 9 for line in text.splitlines()), path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_within_two_seconds_and_leaves_complete_files(
    samples: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    process = start_live(samples, out)
    start = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    taken = time.monotonic() - start
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    crowding = os.getloadavg()[0] / (os.cpu_count() or 1)  # a machine busy with other things stretches the seconds
    assert taken < 2.0 * max(1.0, crowding), f"{taken:.2f} s"
    check_text(out)
    videos = list((out / "video").rglob("*.mp4"))
    assert len(videos) == 3
    assert all(frames_in(path) for path in videos)
    assert json.loads((out / "run.json").read_text())["final"] is False


def test_a_killed_run_leaves_playable_videos_and_whole_lines(samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start_live(samples, out)
    time.sleep(2.5)
    process.kill()
    process.communicate(timeout=30)
    check_text(out)
    last = max(lines(path)[:, 0].max() for path in (out / "tracks").rglob("*.txt") if path.stat().st_size)
    for path in (out / "video").rglob("*.mp4"):
        times = frames_in(path)
        assert times
        if "mosaic" not in str(path):
            assert times[-1] - times[0] > last / 7 - 2.5
    assert json.loads((out / "run.json").read_text())["final"] is False


def test_the_demo_and_the_libraries_leave_ultralytics_alone(samples: Path, tmp_path: Path) -> None:
    program = f"""
import sys
from relaytrack.pipeline import Pipeline, load_config
from relaytrack.trackers import DeepSort
from relaytrack.reid import Embedder
from relaytrack.pipeline.cli.main import main
code = main(["demo", "--out", {str(tmp_path / "out")!r}, "--max-seconds", "1", "--no-video"])
assert not [name for name in sys.modules if name.split(".")[0] == "ultralytics"]
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "research use only" in done.stderr
    assert "identities" in done.stdout
