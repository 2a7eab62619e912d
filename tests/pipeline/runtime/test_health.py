"""A live run tells how it is doing: cameras that are lost and back, overload, status.json."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.world import Eyes, Keep, Looks, Walk, wait_for

from relaytrack.pipeline.cli.log_lines import log_lines
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.events.schema import parse_event
from relaytrack.pipeline.records import Detections, Frame
from relaytrack.pipeline.runtime import health
from relaytrack.pipeline.runtime.event_words import said
from relaytrack.pipeline.runtime.health import Health
from relaytrack.pipeline.runtime.snapshot import CameraStatus


def status(state: str = "running", **changed: Any) -> dict[str, CameraStatus]:
    values = {name: None for name in CameraStatus.__dataclass_fields__}
    values |= {"name": "gate", "live": True, "state": state, "frames": 0, "dropped": 0, **changed}
    return {"gate": CameraStatus(**values)}


def test_a_camera_that_goes_and_comes_back_is_told_once_each() -> None:
    watch, told = Health(), []
    states = [
        "opening",
        "running",
        "running",
        "waiting",
        "waiting",
        "failed",
        "running",
        "running",
        "paused",
        "running",
    ]
    for second, state in enumerate(states):
        told += watch.look(status(state, error="timed out" if state == "waiting" else None), float(second), 1e9)
    assert [(event.event, event.time) for event in told] == [("camera_lost", 3.0), ("camera_back", 6.0)]
    assert (told[0].reason, told[1].seconds, told[0].date) == ("timed out", 3.0, "2001-09-09T01:46:43.000+00:00")
    assert all(parse_event(event.model_dump_json()) == event for event in told)


def test_a_file_that_ends_and_a_camera_that_never_came_are_no_loss() -> None:
    watch = Health()
    for second, state in enumerate(["running", "ended"]):
        assert not watch.look(status(state, live=second == 9), float(second), None)
    watch = Health()
    assert not [event for second in range(30) for event in watch.look(status("waiting"), float(second), None)]


def test_a_program_that_was_stopped_is_not_overloaded(caplog: pytest.LogCaptureFixture) -> None:
    """Fault: after SIGSTOP and SIGCONT the machine was said to be too slow, for the pictures of the time between."""
    watch, told = Health(), []
    frames = dropped = 0
    for second in [*range(20), *range(80, 110)]:
        frames, dropped = frames + 10, dropped + (150 if 80 <= second < 84 else 0)
        told += watch.look(status(frames=frames, dropped=dropped), float(second), None)
    assert told == []
    assert [line for line in caplog.messages if "61 s long the program stood still" in line]
    for second in range(110, 130):
        frames, dropped = frames + 10, dropped + 8
        told += watch.look(status(frames=frames, dropped=dropped), float(second), None)
    assert [event.event for event in told] == ["overloaded"], "a true one is told as ever"


def test_dropped_frames_become_an_overload_that_is_told_anew_only_after_it_was_over() -> None:
    watch, told = Health(), []
    frames = dropped = 0
    for second in range(100):
        slow = 20 <= second < 50 or second >= 80
        frames, dropped = frames + 10, dropped + (8 if slow else 0)
        told += watch.look(status(frames=frames, dropped=dropped, age_p95=0.5), float(second), None)
    assert [event.event for event in told] == ["overloaded", "overloaded"]
    assert 20 < told[0].time < 30
    assert 80 < told[1].time < 90
    assert all(0.2 <= event.dropped <= 0.5 for event in told)
    assert watch.dropped("gate") == pytest.approx(8 / 18)


class Slow(Eyes):
    """A detector without time."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        time.sleep(0.15)
        return super().detect(frames)


def test_a_run_that_is_overloaded_says_so_in_its_events_and_in_status_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: overload could not be seen before the end of the run."""
    monkeypatch.setattr(health, "_LOOK", 0.1)
    monkeypatch.setattr(health, "_WINDOW", 2.0)
    monkeypatch.setattr(health, "_WRITE", 0.3)
    output = {"dir": str(tmp_path / "o"), "video": False, "crops": False}
    keep = Keep()
    run = Pipeline(
        Config.model_validate({"output": output}),
        sources=[Walk("a", None, live=True, fps=60)],
        detector=Slow(),
        embedder=Looks(),
        sinks=[keep],
    )
    run.start()
    try:
        wait_for(lambda: any(event.event == "overloaded" for step in keep.steps for event in step.events), 30)
        wait_for(lambda: (tmp_path / "o" / "status.json").exists(), 10)
        wait_for(lambda: json.loads((tmp_path / "o" / "status.json").read_text())["cameras"]["a"]["dropped"] > 0, 10)
        assert run.summary.cameras["a"].dropped > 0
    finally:
        run.stop()
        run.join(30)
    last = json.loads((tmp_path / "o" / "status.json").read_text())
    assert (last["state"], last["error"]) == ("ended", None), "it went on saying that the run goes on"
    assert last["cameras"]["a"]["dropped_share"] > 0.2
    assert last["cameras"]["a"]["age_p95"] > 0
    lines = (tmp_path / "o" / "events.jsonl").read_text().splitlines()
    assert "overloaded" in [parse_event(line).event for line in lines]
    times = [step.time for step in keep.steps]
    assert times == sorted(times)


def test_a_clock_that_is_set_is_told_once_each_time() -> None:
    watch = Health()
    ahead = [0.0, -0.4, 0.1, 3600.0, 3600.2, 3600.2, -60.0, -60.0, -58.5, -57.0]  # the last steps add up to 3 s
    told = [event for second, one in enumerate(ahead) for event in watch.look_at_clock(one, float(second), 1e9)]
    assert [(event.event, event.time, event.seconds, event.ahead) for event in told] == [
        ("clock_set", 3.0, 3600.0, 3600.0),
        ("clock_set", 6.0, -3660.0, -60.0),
        ("clock_set", 9.0, 3.0, -57.0),
    ]
    assert "was set forward by 3,600 s" in said(told[0])
    assert "was set back by 3,660 s" in said(told[1])
    assert all(parse_event(event.model_dump_json()) == event for event in told)


def test_a_run_goes_on_over_a_clock_that_is_set_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault: dates were wrong by what the clock was set, and nobody was told."""
    monkeypatch.setattr(health, "_LOOK", 0.05)
    monkeypatch.setattr(health, "_WRITE", 0.1)
    keep, out = Keep(), tmp_path / "o"
    output = {"dir": str(out), "crops": False}
    run = Pipeline(
        Config.model_validate({"output": output}),
        sources=[Walk("a", None, live=True, fps=10)],
        detector=Eyes(),
        embedder=Looks(),
        sinks=[keep],
    )
    run.start()
    real, begun = time.time, time.time()

    def told() -> list[Any]:
        return [event for step in list(keep.steps) for event in step.events if event.event == "clock_set"]

    try:
        wait_for(lambda: len(keep.steps) > 5, 30)
        monkeypatch.setattr(time, "time", lambda: real() + 86_400.0)
        wait_for(lambda: len(told()) == 1, 10)
        wait_for(lambda: json.loads((out / "status.json").read_text())["clock_ahead"] > 86_000, 10)
        count = len(keep.steps)
        wait_for(lambda: len(keep.steps) > count + 5, 30)
        monkeypatch.setattr(time, "time", lambda: real() - 3600.0)
        wait_for(lambda: len(told()) == 2, 10)
        count = len(keep.steps)
        wait_for(lambda: len(keep.steps) > count + 5, 30)
    finally:
        run.stop()
        run.join(30)
    assert [round(event.seconds, -1) for event in told()] == [86_400, -90_000]
    assert len([line for line in caplog.messages if "clock was set" in line]) == 2
    dates = [json.loads(line)["date"] for line in (out / "events.jsonl").read_text().splitlines()]
    assert len(dates) > 2
    moments = [datetime.fromisoformat(date).timestamp() for date in dates]
    moments = [moment for moment in moments if moment > 1.5e9]  # the made-up frames have dates of their own
    assert max(moments) - begun < 120, "dates go on by the clock of the start"
    assert min(moments) > begun - 5
    names = sorted(path.name for path in (out / "video" / "a").iterdir())
    assert len(names) == 1, "no new segment because of the clock"


def test_log_lines_of_live_runs_have_date_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("relaytrack.engine")
    with log_lines(dated=True):
        log.warning("camera %s is lost", "gate")
    assert capsys.readouterr().err.split(" ", 2)[0] == time.strftime("%Y-%m-%d")
    with log_lines(dated=True):
        log.warning("camera gate is lost")
    words = capsys.readouterr().err
    assert words.endswith("WARNING camera gate is lost\n")
    with log_lines(dated=False):
        assert not [handler for handler in logging.getLogger("relaytrack").handlers if handler.level]


class Broken(Eyes):
    """Fails at the third frame."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        if any(frame.index >= 3 for frame in frames):
            raise InputError("the detector is broken")
        return super().detect(frames)


def test_a_run_that_fails_says_so_in_status_json(tmp_path: Path) -> None:
    output = {"dir": str(tmp_path / "o"), "video": False, "crops": False}
    config = Config.model_validate({"output": output})
    run = Pipeline(config, sources=[Walk("a", None, live=True, fps=60)], detector=Broken(), embedder=Looks())
    with pytest.raises(InputError):
        run.run()
    last = json.loads((tmp_path / "o" / "status.json").read_text())
    assert (last["state"], last["error"]) == ("failed", "the detector is broken")
