"""Cameras of a program's own, which may do anything: each is in trouble alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.records import Frame
from relaytrack.trackers import DeepSort
from tests.support.world import Eyes, Keep, Looks, Walk, picture, wait_for


def pipeline(*sources: Any, **parts: Any) -> Pipeline:
    return Pipeline({"output": {"dir": None}}, sources=sources, **{"detector": Eyes(), "embedder": Looks(), **parts})


def site(*sources: Walk, **parts: Any) -> Pipeline:
    run = pipeline(*sources, until="stopped", **parts).start()
    for source in sources:
        assert goes_on(run, source.name)
    return run


def goes_on(run: Pipeline, camera: str) -> bool:
    """Whether a camera gives frames."""
    before = run.status().cameras[camera].frames
    return wait_for(lambda: run.status().cameras[camera].frames > before + 3)


class Gives(Walk):
    """A camera that gives what it is told to, as a plain list would: nothing that can be closed."""

    def __init__(self, name: str, *given: object) -> None:
        super().__init__(name)
        self.given = given

    def frames(self) -> Any:
        return iter(self.given)


GOOD = Frame("a", 1, 0.0, picture(1))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("frame", "its source gave a str instead of a Frame"),
        (Frame("b", 2, 0.1, picture(2)), "its source gave a frame of camera 'b'"),
        (Frame("a", 2, float("nan"), picture(2)), "the time of frame 2 is no finite number"),
        (
            Frame("a", 2, 0.1, picture(2)[..., 0]),
            r"frame 2 is uint8 \(120, 160\), not uint8 \(H, W, 3\)",
        ),
        (Frame("a", 2, 0.1, picture(2) / 255), "the picture of frame 2 is float64"),
        (Frame("a", 2, 0.1, None), "the picture of frame 2 is NoneType"),  # type: ignore[arg-type]
    ],
)
def test_a_camera_that_gives_no_frames_is_lost_alone(
    given: object, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault: it ended the whole run with an exception from somewhere inside, or let it wait for ever."""
    run = pipeline(Gives("a", GOOD, given), Walk("other", 5)).start()
    summary = run.join(20)
    assert (summary.cameras["a"].frames, summary.cameras["other"].frames) == (1, 5)
    assert re.search(told, run.status().cameras["a"].error or "")
    assert run.status().cameras["a"].state == "failed"
    assert caplog.text.count("camera 'a':") == 1


def test_frames_whose_time_goes_back_are_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Fault: they ended the whole run ("time went backwards")."""
    frames = [Frame("a", k + 1, time, picture(k)) for k, time in enumerate([0.0, 0.1, 0.2, 0.1, 0.2, 0.3])]
    run = pipeline(Gives("a", *frames)).start()
    assert run.join(20).frames == 4
    camera = run.status().cameras["a"]
    assert (camera.broken, camera.warning) == (
        2,
        "frames whose time does not ascend are left out, the first at 0.100 s",
    )
    assert caplog.text.count("does not ascend") == 1


def test_a_camera_whose_offset_becomes_smaller_goes_on_when_its_clock_has_caught_up(samples: Path) -> None:
    """Fault: the first frame with the smaller offset ended the whole run ("time went backwards")."""
    run = site(Walk("other", None, live=True))
    camera = {"url": str(samples / "east.mp4"), "name": "east", "live": True, "loop": True}
    run.add_camera({**camera, "offset": 1.0})
    assert goes_on(run, "east")
    run.change_camera({"name": "east", "offset": 0.0})
    assert goes_on(run, "east")
    assert "does not ascend" in (run.status().cameras["east"].warning or "")
    assert goes_on(run, "other")
    run.stop()
    run.join(10)


class Unclosable(Walk):
    """A camera that fails when it is closed."""

    def close(self) -> None:
        super().close()
        raise RuntimeError("the driver is gone")


def test_a_camera_that_cannot_be_closed_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Fault: it was removed by half, and its exception ended the run that was over."""
    sink = Keep()
    run = site(Unclosable("a", None, live=True), Unclosable("b", None, live=True), sinks=[sink])
    run.remove_camera("a")
    assert list(run.status().cameras) == ["b"]
    assert wait_for(lambda: sink.news == ["+a", "+b", "-a"])
    assert goes_on(run, "b")
    run.stop()
    run.join(10)
    assert run.status().state == "ended"
    assert "camera 'a': close(): RuntimeError: the driver is gone" in caplog.text


def test_a_live_camera_that_was_paused_goes_on() -> None:
    """Fault: its source was closed for the pause, and nobody can open that of a program again."""
    run = site(Walk("a", None, live=True))
    run.pause_camera("a")
    assert run.status().cameras["a"].state == "paused"
    run.resume_camera("a")
    assert goes_on(run, "a")
    assert run.status().cameras["a"].state == "running"
    run.pause_camera("a")
    run.remove_camera("a")
    assert run.status().cameras == {}
    run.stop()
    run.join(10)


def test_what_asks_for_another_source_is_refused_and_harms_nothing() -> None:
    """Fault: the camera's made-up address was opened in place of the program's source, and the camera was lost."""
    run = site(Walk("a", None, live=True))
    for key, value in (("roi", (0, 0, 80, 80)), ("max_fps", 5.0), ("offset", 1.0)):
        with pytest.raises(ConfigError, match=f"its source was given by the program; for another {key} remove"):
            run.change_camera({"name": "a", key: value})
    run.change_camera({"name": "a", "title": "Door"})
    assert run.cameras[0].title == "Door"
    assert goes_on(run, "a")
    run.stop()
    run.join(10)


@pytest.mark.parametrize(
    ("camera", "told"),
    [
        ({"url": "x.mp4", "fps": -3}, r"camera: fps: must be .* \(got -3\)"),
        ({"url": "x.mp4", "bogus": 1}, "camera: unknown key 'bogus'"),
        ({"name": "x"}, "camera: url: is missing"),
        ("", "camera: url: must not be empty"),
        (5, "a camera is a CameraConfig, an address or a mapping, not int"),
        ({"url": "x.mp4", "crop": (0, 0, 8, 8), "roi": (0, 0, 8, 8)}, "crop is the old name of"),
    ],
)
def test_wrong_settings_of_a_camera_are_one_line(camera: Any, told: str) -> None:
    """Fault: an exception of the library that checks settings, over several lines."""
    run = site()
    with pytest.raises(ConfigError, match=told):
        run.add_camera(camera)
    run.stop()
    run.join(10)


def test_a_change_may_name_only_what_changes() -> None:
    run = site()
    run.add_camera({"url": "rtsp://127.0.0.1:9/x", "name": "a", "title": "Door"})
    for wrong, told in (
        ({"name": "z"}, "there is no camera 'z'"),
        ({"name": "a", "fps": -3}, "camera: fps"),
        ("a", "str"),
    ):
        with pytest.raises(ConfigError, match=told):
            run.change_camera(wrong)  # type: ignore[arg-type]
    run.change_camera({"name": "a", "max_fps": 5.0})
    assert [(camera.title, camera.max_fps) for camera in run.cameras] == [("Door", 5.0)]
    run.stop()
    run.join(10)


def test_a_source_and_its_camera_have_one_name() -> None:
    run = site()
    with pytest.raises(ConfigError, match="camera 'b': the source that was given is called 'a'"):
        run.add_camera({"url": "own:a", "name": "b"}, source=Walk("a", None, live=True))
    assert run.add_camera("own:a", source=Walk("a", None, live=True)) == "a"
    with pytest.raises(ConfigError, match=r"source: str has no name"):
        run.add_camera("own:b", source="b")  # type: ignore[arg-type]
    assert goes_on(run, "a")
    run.stop()
    run.join(10)


def test_a_camera_whose_tracker_cannot_be_made_does_not_join() -> None:
    def made(camera: CameraConfig) -> Any:
        return None if camera.name == "b" else DeepSort()

    run = site(Walk("a", None, live=True), tracker=made)
    with pytest.raises(ConfigError, match=r"tracker of camera 'b': NoneType has no update\(\)"):
        run.add_camera("own:b", source=Walk("b", None, live=True))
    assert list(run.status().cameras) == ["a"]
    run.stop()
    run.join(10)


def test_a_run_over_own_sources_ends_at_its_time(caplog: pytest.LogCaptureFixture) -> None:
    """Fault: `run.max_seconds` and what changes frames did nothing, and nobody said so."""
    config = {"cameras": [{"url": "x", "name": "a", "max_fps": 5, "offset": 2.0}], "run": {"max_seconds": 1.0}}
    run = Pipeline({**config, "output": {"dir": None}}, sources=[Walk("a", None)], detector=Eyes(), embedder=Looks())
    assert run.start().join(20).frames == 10
    assert "camera 'a': max_fps, offset left out: the program gave its source" in caplog.text
    assert caplog.text.count("left out") == 1
