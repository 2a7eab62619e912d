"""With too little time the networks put less effort into live pictures, step by step, and more again later."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path

import numpy as np
import pytest
from support.world import Eyes, Keep, Looks, Walk, wait_for

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.events.schema import parse_event
from relaytrack.pipeline.perception.effort import ALTERNATE, FEWER, Effort, measures
from relaytrack.pipeline.perception.embedding_schedule import EmbeddingSchedule
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.records import Detections, Frame, FrameInfo, FrameTracks
from relaytrack.pipeline.runtime import load
from relaytrack.pipeline.runtime.load import LoadControl, Work
from relaytrack.pipeline.tracking.carrying import CarriedBoxes


class Sized:
    """A detector of 896 pixels."""

    def __init__(self) -> None:
        self.limit: int | None = None

    def largest_side(self) -> int:
        return 896

    def limit_side(self, most: int | None) -> None:
        self.limit = most


def test_measures_come_in_the_order_that_is_told() -> None:
    names = [one.name for one in measures(Sized())]
    assert names[1] == ALTERNATE
    assert names[2:-1] == [f"detector input of {side} pixels" for side in (640, 416, 320)]
    assert names[-1] == FEWER
    assert [one.name for one in measures(object())][1:] == [ALTERNATE, FEWER]
    detector = Sized()
    effort = Effort(detector, EmbeddingSchedule(0.5))
    effort.set(3)
    assert detector.limit == 416
    assert effort.names == (ALTERNATE, "detector input of 416 pixels")
    effort.set(5)
    assert (detector.limit, effort.names) == (320, (ALTERNATE, "detector input of 320 pixels", FEWER))
    effort.set(0)
    assert (detector.limit, effort.names) == (None, ())


def test_cameras_take_turns() -> None:
    effort = Effort(object(), EmbeddingSchedule(0.5))
    assert all(effort.looks(name) for name in "abab")
    assert effort.saved == 1.0
    effort.set(1)
    assert effort.saved == 2.0
    looks = [(effort.looks("a"), effort.looks("b")) for _ in range(4)]
    assert looks in ([(True, False), (False, True)] * 2, [(False, True), (True, False)] * 2)


def test_the_last_measure_makes_the_schedule_spare_and_taking_it_back_ends_that() -> None:
    schedule = EmbeddingSchedule(0.5)
    effort = Effort(object(), schedule)
    assert effort.measures[2].name == FEWER
    spared = []
    for level in (1, 2, 1):
        effort.set(level)
        spared.append(schedule.sparing)
    assert spared == [False, True, False]


class Machine:
    """A simulated second after second: `need` times the time that there is at full effort, 20 frames a second."""

    def __init__(self, effort: Effort) -> None:
        self.effort, self.control = effort, LoadControl(effort)
        self.time = 0.0
        self.frames = self.dropped = 0
        self.busy = 0.0

    def run(self, seconds: int, need: float) -> list[int]:
        levels = []
        for _ in range(seconds):
            self.time += 1.0
            saved = np.prod([one.saves for one in self.effort.measures[: self.effort.level + 1]])
            wanted = need / saved
            done = min(1.0, 1.0 / wanted)
            self.frames += round(20 * done)
            self.dropped += 20 - round(20 * done)
            self.busy += min(wanted, 1.0)
            self.control.look(Work(self.time, self.frames, self.dropped, self.busy))
            levels.append(self.effort.level)
        return levels


def test_the_effort_goes_down_as_far_as_needed_and_up_again() -> None:
    machine = Machine(Effort(Sized(), EmbeddingSchedule(0.5)))
    assert set(machine.run(60, 0.5)) == {0}
    levels = machine.run(60, 1.8)
    assert levels[-1] == 1
    assert levels.index(1) <= 10
    assert machine.run(60, 6.0)[-1] >= 3
    back = machine.run(400, 0.3)
    assert back[-1] == 0
    assert back == sorted(back, reverse=True), "one step after the other"
    assert back.count(1) >= load.CALM, "with time between them"


def test_the_effort_is_not_lowered_by_what_waited_while_the_program_stood_still() -> None:
    """Fault: after a run was stopped for a minute, the frames that had waited counted as too little time."""
    machine = Machine(Effort(Sized(), EmbeddingSchedule(0.5)))
    machine.run(20, 0.7)
    machine.time += 60.0  # stopped
    machine.dropped += 600
    assert set(machine.run(1, 0.7)) == {0}
    machine.dropped += 300  # what the cameras' buffers still held
    assert set(machine.run(60, 0.7)) == {0}
    assert machine.run(30, 2.5)[-1] >= 1, "from then on it is looked at as before"


def test_the_effort_does_not_swing() -> None:
    machine = Machine(Effort(Sized(), EmbeddingSchedule(0.5)))
    levels = machine.run(1800, 1.5)
    changes = sum(one != other for one, other in itertools.pairwise(levels))
    assert changes <= 2, "half the effort is room enough, full effort is known to be too much"
    quiet = Machine(Effort(object(), EmbeddingSchedule(0.5)))
    quiet.dropped = 0
    for second in range(60):  # frames are lost, but the networks are not why
        quiet.control.look(Work(float(second), 10 * second, 10 * second, 0.1 * second))
    assert quiet.effort.level == 0


def tracks_at(moment: float, boxes: dict[int, list[float]]) -> FrameTracks:
    ids = np.array(list(boxes), np.int64)
    xyxy = np.array(list(boxes.values()), np.float32).reshape(-1, 4)
    empty = np.zeros((len(ids), 3), np.float32)
    frame = FrameInfo("a", 1, moment, (200, 100))
    return FrameTracks(frame, ids, ids * 0, xyxy, np.ones(len(ids), np.float32), embeddings=empty)


def test_boxes_are_carried_on_as_they_moved() -> None:
    carried = CarriedBoxes()
    carried.saw(tracks_at(0.0, {4: [10, 10, 30, 60], 7: [100, 10, 120, 60]}))
    carried.saw(tracks_at(0.2, {7: [110, 10, 130, 60], 9: [50, 10, 70, 60]}))
    found = carried.at(FrameInfo("a", 3, 0.3, (200, 100)))
    assert found.ids.tolist() == [7, 9]
    np.testing.assert_allclose(found.xyxy, [[115, 10, 135, 60], [50, 10, 70, 60]])
    assert np.isnan(found.embeddings).all()
    assert len(found.detections) == 2, "whoever hides people hides them here too"
    assert found.embeddings.shape == (2, 3)
    assert len(carried.at(FrameInfo("a", 9, 5.0, (200, 100)))) == 0, "too late to say where they are"
    carried.saw(tracks_at(0.4, {7: [190, 10, 199, 60]}))
    carried.saw(tracks_at(0.6, {7: [198, 10, 207, 60]}))
    assert len(carried.at(FrameInfo("a", 9, 0.9, (200, 100)))) == 0, "out of the picture"


class Slow(Eyes):
    """Needs 60 ms for a frame."""

    def detect(self, frames: object) -> list[Detections]:
        time.sleep(0.06 * len(frames))  # type: ignore[arg-type]
        return super().detect(frames)  # type: ignore[arg-type]


@pytest.mark.parametrize("adapt", [True, False])
def test_a_live_run_adapts_and_tells_of_it(tmp_path: Path, adapt: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: with too little time a run only dropped frames."""
    monkeypatch.setattr(load, "WINDOW", 2.0)
    keep = Keep()
    output = {"dir": str(tmp_path / "o"), "video": False}
    config = Config.model_validate({"output": output, "run": {"adapt": adapt}})
    run = Pipeline(
        config, sources=[Walk("a", None, live=True, fps=25)], detector=Slow(), embedder=Looks(), sinks=[keep]
    ).start()
    try:
        if adapt:
            assert wait_for(lambda: run.summary.adapted, 30)
            time.sleep(0.5)
        else:
            time.sleep(6)
    finally:
        run.stop()
        run.join(20)
    assert bool(json.loads((tmp_path / "o/status.json").read_text())["adapted"]) == adapt
    info = json.loads((tmp_path / "o/run.json").read_text())
    lines = (tmp_path / "o/events.jsonl").read_text().splitlines()
    events = [event for event in map(parse_event, lines) if event.event == "adapted"]
    assert bool(events) == adapt == bool(info["adapted"])
    if adapt:
        assert events[0].model_dump()["saved"] == (ALTERNATE,)
        assert info["adapted"][0]["saved"] == [ALTERNATE]
        identities = {one for step in keep.steps for tracks in step for one in tracks.global_ids.tolist()}
        assert identities == {1}, "the person stays the same"


def test_frames_that_are_passed_over_cost_nothing_and_carry_tracks() -> None:
    from tests.support.world import picture

    perception = Perception(Eyes(), None, None)
    perception.effort = Effort(Eyes(), perception.schedule)
    perception.effort.set(1)
    frames = [Frame("a", index, index / 10, picture(index)) for index in range(1, 7)]
    seen = [perception.perceive([frame])[0] for frame in frames]
    assert [one.looked for one in seen].count(True) == 3
    assert perception.times.frames == 3
    assert all(len(one.detections) == one.looked for one in seen)
