"""The engine from a program's side: own parts, steps, status, cameras that come and go, sinks that fail."""

from __future__ import annotations

import gc
import pickle
import threading
import time
from collections.abc import Generator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.world import SIZE, Eyes, Keep, Looks, Walk, box, wait_for

from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import ConfigError, DetectorError, OutputError, SourceError
from relaytrack.pipeline.identity import IdentityAnswer, IdentityStatus, TrackletMessage
from relaytrack.pipeline.records import Detections, Frame, FrameInfo, FrameTracks, Step
from relaytrack.pipeline.runtime.summary import Summary
from relaytrack.trackers import Revision


def pipeline(*sources: Walk, output: dict[str, Any] | None = None, cameras: tuple[Any, ...] = (), **parts: Any) -> Any:
    config = Config.model_validate({"cameras": cameras, "output": output or {"dir": None}})
    return Pipeline(config, sources=sources, **{"detector": Eyes(), "embedder": Looks(), **parts})


# steps


def test_steps_need_no_folder_and_hold_everything() -> None:
    run = pipeline(Walk("a"), Walk("b"))
    steps = list(run.steps())
    frames = [(tracks.frame.camera, tracks.frame.index) for step in steps for tracks in step]
    assert frames == [(name, index) for index in range(1, 21) for name in ("a", "b")]
    assert {event.event for step in steps for event in step.events} >= {"identity", "enter", "leave"}
    assert run.join().cameras["a"].tracks == 1
    assert run.status().state == "ended"
    assert not steps[5].images
    assert not steps[5].drawn


def test_several_loops_get_every_step_and_every_correction() -> None:
    """Fault: the corrections were handed out once, to whoever asked first."""

    class Corrector:
        def __init__(self) -> None:
            self.time = 0.0

        def update(self, messages: list[TrackletMessage]) -> IdentityAnswer:
            ids = tuple(message.ids + 6 for message in messages)
            time = max(message.frame.time for message in messages)
            return IdentityAnswer(ids, tuple(m.ids for m in messages), (Revision("merge", 9, 7, "a", 1, time),))

        def calibrate(self, camera: str, plane: object) -> None: ...
        def final_identities(self) -> dict[tuple[str, int], int]:
            return {("a", 1): 7}

        def status(self) -> IdentityStatus:
            return IdentityStatus(None, 0, {}, 0)

        def close(self) -> None: ...

    sink = Keep()
    run = pipeline(Walk("a"), identities=Corrector(), sinks=[sink])
    other: list[Step] = []
    thread = threading.Thread(target=lambda: other.extend(run.steps()))
    first = iter(run.steps())
    mine = [next(first)]
    thread.start()
    mine += list(first)
    thread.join(10)
    assert len(mine) == len(sink.steps) == 21
    for steps in (mine[:-1], sink.steps[:-1]):
        assert [step.revisions[0].time for step in steps] == [step.time for step in steps]
    assert all(step.revisions for step in other[:-1])


def test_leaving_the_loop_early_ends_the_run() -> None:
    source = Walk("a", None)
    run = pipeline(source)
    for step in run.steps():
        if step.time > 1:
            break
    assert run.status().state == "ended"
    assert source.closed.is_set()


def test_pictures_come_to_those_who_ask() -> None:
    for step in pipeline(Walk("a", 5)).steps(pixels=True, drawn=True):
        if len(step):
            assert step.images["a"].shape == step.drawn["a"].shape == (SIZE[1], SIZE[0], 3)
            assert (step.images["a"] != step.drawn["a"]).any()


# privacy


@pytest.mark.parametrize("late", [False, True])
def test_no_receiver_sees_an_unhidden_person(late: bool) -> None:
    """Fault: further sinks stood beside the one that hides people."""
    sink = Keep(pixels=True, drawn=True)
    run = pipeline(Walk("a"), output={"dir": None, "anonymise": "persons"}, sinks=[] if late else [sink])
    if late:
        run.add_sink(sink)
    shown = [step.images["a"] for step in run.steps(pixels=True) if len(step)]
    pictures = [*shown, *(step.images["a"] for step in sink.steps if len(step))]
    assert len(pictures) == 40
    for number, image in enumerate(pictures):
        x1, y1, x2, y2 = box(number % 20 + 1)
        assert len(np.unique(image[y1:y2, x1:x2].reshape(-1, 3), axis=0)) == 1, "one colour, its mean"
        assert not (image == (250, 30, 30)).all(axis=2).any()


# sinks that fail or hang


@pytest.mark.parametrize("error", [ConnectionError("no route to host"), SystemExit("no route to host")])
def test_a_failing_sink_is_left_out_and_the_run_goes_on(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """Fault: any exception of one sink ended the whole run, and an exit made it wait for ever."""

    class Broken(Keep):
        def write(self, step: Step) -> None:
            raise error

    good = Keep()
    run = pipeline(Walk("a"), sinks=[Broken(), good]).start()
    assert run.join(20).cameras["a"].frames == 20
    assert len(good.steps) == 21
    assert caplog.text.count(f"sink Broken: {type(error).__name__}: no route to host") == 1


@pytest.mark.parametrize("where", ["open", "frames"])
def test_a_camera_that_exits_is_lost_alone(where: str, caplog: pytest.LogCaptureFixture) -> None:
    class Exits(Walk):
        def open(self) -> None:
            super().open()
            if where == "open":
                raise SystemExit("no such device")

        def frames(self) -> Generator[Frame, None, None]:
            yield from islice(super().frames(), 5)
            raise SystemExit("no such device")

    run = pipeline(Walk("a", live=True)).start()
    run.add_camera({"url": "x", "name": "b"}, source=Exits("b", live=True))
    assert run.join(20).cameras["a"].frames > 0
    assert caplog.text.count("camera 'b': SystemExit: no such device") == 1


def test_one_of_ten_sinks_that_hangs_for_good_costs_nobody_a_frame() -> None:
    """Fault: one slow sink starved all others."""
    free = threading.Event()

    class Stuck(Keep):
        def write(self, step: Step) -> None:
            free.wait(60)

    ages = []
    for stuck in (False, True):
        sinks = [Keep() for _ in range(9)] + ([Stuck()] if stuck else [])
        run = pipeline(Walk("a", 40, live=True), Walk("b", 40, live=True), sinks=sinks).start()
        assert wait_for(lambda run=run: min(one.frames for one in run.summary.cameras.values()) >= 30)
        status = run.status()
        if stuck:
            assert status.sinks["Stuck"].waiting > 0
            free.set()
        summary = run.join()
        for sink in sinks[:9]:
            assert len(sink.frames("a")) == summary.cameras["a"].frames
        assert sum(one.dropped for name, one in run.status().sinks.items() if name != "Stuck") == 0
        age = summary.age()
        assert age is not None
        ages.append(age["p50"])
    assert ages[1] <= 1.2 * ages[0] + 0.01, ages


def test_a_result_that_cannot_be_written_ends_the_run_or_not_as_told(tmp_path: Path) -> None:
    class Full(Keep):
        def write(self, step: Step) -> None:
            raise OutputError("out/x: disk full")

    run = pipeline(Walk("a"))
    run.add_sink(Full(), on_error="fail")
    with pytest.raises(OutputError, match="disk full"):
        run.run()
    assert run.status().state == "failed"
    assert run.status().error == "out/x: disk full"


# time


def test_live_cameras_with_and_without_an_offset_run_together(caplog: pytest.LogCaptureFixture) -> None:
    """Fault: `offset: 3.0` of one live camera ended the run with "time went back"."""
    sink = Keep()
    run = pipeline(Walk("a", 30, live=True, fps=20), Walk("b", 30, live=True, fps=20, offset=3.0), sinks=[sink])
    run.run()
    assert sink.ids("a") == sink.ids("b") == [1]
    far = Keep()
    run = pipeline(Walk("a", 30, live=True, fps=20), Walk("b", 30, live=True, fps=20, offset=60.0), sinks=[far])
    assert run.run().cameras["a"].frames > 20
    assert run.status().service.late["a"] > 0
    assert len(far.frames("a")) > 20


def test_two_hosts_with_different_clocks_tell_the_same_time() -> None:
    true = 1_800_000_000.0
    near = RunClock(now=lambda: true, tick=lambda: 100.0)
    far = RunClock(zero=near.zero, skew=7.5, now=lambda: true + 7.5 + 2.0, tick=lambda: 9_000.0)  # joins 2 s later
    for later in (2.0, 30.25):  # the same moment, on each host's monotonic clock
        one, other = near.seconds(100.0 + later), far.seconds(9_000.0 + later - 2.0)
        assert one == pytest.approx(later)
        assert other == pytest.approx(one)
        assert far.epoch(other) == pytest.approx(near.epoch(one)) == pytest.approx(true + later)


# messages


def test_a_frame_with_twenty_people_is_a_small_message() -> None:
    count, rng = 20, np.random.default_rng(1)
    vectors = rng.normal(size=(count, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    boxes = rng.uniform(0, 1000, (count, 4)).astype(np.float32)
    info = FrameInfo("gate", 7, 1.5, (1920, 1080), (0, 0), 1e9, arrived=12.0)
    ids, scores = np.arange(1, count + 1), np.full(count, 0.5, np.float32)
    tracks = FrameTracks(info, ids, ids, boxes, scores, Detections(boxes, scores), vectors)
    image = np.zeros((1080, 1920, 3), np.uint8)
    step = Step(1.5, (tracks,), images={"gate": image}, drawn={"gate": image})
    data = pickle.dumps(step, protocol=pickle.HIGHEST_PROTOCOL)
    assert len(data) < 30_000
    again = pickle.loads(data)
    assert not again.images
    assert not again.drawn
    (back,) = again.tracks
    np.testing.assert_array_equal(back.xyxy, boxes)
    np.testing.assert_allclose(back.embeddings, vectors, atol=1e-3)
    assert back.embeddings.dtype == np.float32
    assert back.frame.arrived == 0.0, "another process has another monotonic clock"
    message = pickle.dumps(TrackletMessage(info, ids, boxes, scores, vectors))
    assert len(message) < 25_000


# cameras


def test_cameras_join_pause_change_and_leave_while_others_go_on() -> None:
    sink = Keep()
    second = Walk("second", None, live=True, fps=25)
    run = pipeline(Walk("first", None, live=True, fps=25), second, sinks=[sink], until="stopped").start()
    assert wait_for(lambda: run.status().cameras["second"].frames > 10)
    assert run.add_camera({"url": "x", "name": "third"}, source=Walk("third", None, live=True, fps=25)) == "third"
    with pytest.raises(ConfigError, match="'third' already"):
        run.add_camera({"url": "x", "name": "third"})
    assert wait_for(lambda: run.status().cameras["third"].frames > 10)
    run.remove_camera("first")
    assert "first" not in run.status().cameras
    run.change_camera(CameraConfig(url="x", name="third", zones={"door": ((0, 0), (160, 0), (160, 120), (0, 120))}))
    assert wait_for(lambda: run.status().zones["third"]["door"]["total"] == 1)
    assert wait_for(lambda: run.status().cameras["second"].frames > 60)
    removed = len(sink.frames("first"))
    run.pause_camera("third")
    assert run.status().cameras["third"].state == "paused"
    time.sleep(0.3)
    paused = run.status().cameras["third"].frames
    time.sleep(0.3)
    assert run.status().cameras["third"].frames == paused
    run.stop()
    summary = run.join()
    assert sink.ids("second") == [1], "nobody who stayed got another id"
    frames = sink.frames("second")
    assert len(frames) + second.stats.dropped >= frames[-1], "none lost but those that the camera itself dropped"
    assert len(sink.frames("first")) == removed
    assert sink.news == ["+first", "+second", "+third", "-first", "+third"]
    assert summary.cameras["first"].tracks == 1
    assert [camera.name for camera in run.cameras] == ["second", "third"]


def test_a_camera_that_was_changed_gives_pictures_again_after_a_pause(samples: Path) -> None:
    """Fault: what a change had opened counted as a source of the program's own, which nobody opens again."""
    looped = {"url": str(samples / "east.mp4"), "name": "east", "live": True, "loop": True}
    run = pipeline(until="stopped").start()
    run.add_camera(looped)
    assert wait_for(lambda: run.status().cameras["east"].frames > 3)
    run.change_camera(CameraConfig.model_validate({**looped, "roi": (0, 0, 200, 200)}))
    assert wait_for(lambda: run.status().cameras["east"].size == (200, 200))
    run.pause_camera("east")
    run.resume_camera("east")
    before = run.status().cameras["east"].frames
    assert wait_for(lambda: run.status().cameras["east"].frames > before + 3)
    run.stop()
    run.join(10)


def test_a_site_without_a_camera_is_fine_and_a_bad_camera_is_its_own_trouble() -> None:
    run = pipeline(until="stopped").start()
    time.sleep(0.1)
    assert run.status().state == "running"
    run.add_camera({"url": "x", "name": "gone"}, source=Walk("gone", fail=SourceError("camera 'gone': no such file")))
    run.add_camera({"url": "x", "name": "good"}, source=Walk("good", None, live=True))
    assert wait_for(lambda: run.status().cameras["good"].frames > 3)
    assert run.status().cameras["gone"].state == "failed"
    run.remove_camera("gone")
    run.stop()
    assert run.join(10).cameras["good"].frames > 3
    with pytest.raises(ConfigError, match="'ended'"):
        run.add_camera("x")


def test_a_hundred_cameras_come_and_go_without_a_trace() -> None:
    run = pipeline(Walk("stays", None, live=True), until="stopped").start()
    assert wait_for(lambda: run.status().cameras["stays"].frames > 2)
    before = threading.active_count()
    for number in range(100):
        run.add_camera({"url": "x", "name": f"c{number % 3}"}, source=Walk(f"c{number % 3}", None, live=True))
        if number % 10 == 0:
            time.sleep(0.05)
        run.remove_camera(f"c{number % 3}")
    assert wait_for(lambda: threading.active_count() <= before)
    run.stop()
    run.join(10)


# status and failures


@pytest.mark.parametrize("live", [False, True])
def test_garbage_of_a_live_run_is_looked_for_apart_from_what_was_there_before(live: bool) -> None:
    """Fault: it was looked for every few hours only, and a live run grew by 3 MiB an hour until then."""

    class Asks:
        name = "asks"
        frozen = -1

        def write(self, step: Step) -> None:
            self.frozen = gc.get_freeze_count()

        def close(self) -> None:
            """Nothing is open."""

    sink = Asks()
    pipeline(Walk("a", 5, live=live, fps=20), sinks=[sink]).run()
    assert (sink.frozen > 0) == live
    assert gc.get_freeze_count() == 0


def test_the_present_can_be_asked_for_at_any_time() -> None:
    run = pipeline(Walk("a", None, live=True, fps=25), Walk("b", None, live=True, fps=25))
    assert run.status().state == "new"
    failures: list[BaseException] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                run.status()
            except BaseException as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    run.start()
    assert wait_for(lambda: all(camera.frames > 20 for camera in run.status().cameras.values()))
    status = run.status()
    assert status.state == "running"
    assert status.cameras["a"].size == SIZE
    assert status.cameras["a"].age is not None
    assert status.cameras["a"].age < 5
    assert status.cameras["a"].rate > 1
    assert status.cameras["a"].tracks is not None
    assert set(status.present) <= {1, 2}
    assert status.service.messages > 20
    with pytest.raises(TimeoutError):
        run.join(0.01)
    run.stop()
    run.join(10)
    done.set()
    for thread in threads:
        thread.join(5)
    assert not failures


def test_a_stage_that_fails_ends_the_run_with_its_error() -> None:
    class Blind(Eyes):
        def detect(self, frames: Any) -> list[Detections]:
            if frames[0].index == 5:
                raise DetectorError("the detector went blind")
            return super().detect(frames)

    sink = Keep()
    run = pipeline(Walk("a"), detector=Blind(), sinks=[sink])
    with pytest.raises(DetectorError, match="went blind"):
        run.run()
    assert sink.closed
    with pytest.raises(DetectorError):
        list(pipeline(Walk("a"), detector=Blind()).steps())


def test_a_camera_that_cannot_open_ends_the_start() -> None:
    run = pipeline(Walk("a", fail=SourceError("camera 'a': cable cut")))
    with pytest.raises(SourceError, match="cable cut"):
        run.start()
    assert run.status().state == "failed"


def test_sources_of_ones_own_need_their_own_names() -> None:
    with pytest.raises(ConfigError, match="same name"):
        pipeline(Walk("a"), Walk("a"))
    with pytest.raises(ConfigError, match="no cameras"):
        pipeline()


def test_ones_own_parts_write_the_usual_folder(tmp_path: Path) -> None:
    output = {"dir": str(tmp_path / "out"), "video": False}
    pipeline(Walk("a"), output=output).run()
    assert (tmp_path / "out/tracks/a.txt").read_text().count("\n") == 20
    assert (tmp_path / "out/report.html").exists()


# memory


def test_a_summary_does_not_grow_with_the_run() -> None:
    """Fault: every track id and identity was kept for ever."""
    summary = Summary(["a", "b"], keep=100)
    boxes, scores = np.zeros((2, 4), np.float32), np.ones(2, np.float32)
    for number in range(5000):
        ids = np.array([2 * number + 1, 2 * number + 2])
        frames = [FrameTracks(FrameInfo(name, number, number / 10, SIZE), ids, ids, boxes, scores) for name in "ab"]
        summary.add(frames[: 1 + number % 2])
    assert len(summary.identities) == 100
    assert summary.identity_count == 10_000
    assert summary.people("a") == 10_000
    assert summary.people("b") == summary.shared_identities == 5000
    assert not any(isinstance(value, set | dict | list) for value in vars_of(summary.cameras["a"]))
    assert len({id(cameras) for cameras in summary.identities.values()}) <= 2, "each group of cameras is there once"


def test_a_summary_forgets_which_cameras_have_seen_somebody_together() -> None:
    """Fault: every group of cameras that ever saw a person was kept for ever."""
    names = "abcdefghij"
    summary = Summary(names, keep=100)
    box, score = np.zeros((1, 4), np.float32), np.ones(1, np.float32)
    for number in range(1, 2 ** len(names)):
        seen = [name for place, name in enumerate(names) if number >> place & 1]
        one = np.array([number])
        summary.add(FrameTracks(FrameInfo(name, number, number / 10, SIZE), one, one, box, score) for name in seen)
    assert summary.identity_count == 2 ** len(names) - 1
    assert all(len(value) <= 100 for value in vars(summary).values() if isinstance(value, dict | set | list))


def vars_of(record: object) -> list[object]:
    return [getattr(record, name) for name in record.__slots__]  # type: ignore[attr-defined]


def test_a_frame_knows_its_facts() -> None:
    frame = Frame("a", 1, 0.5, np.zeros((4, 6, 3), np.uint8), (10, 20), 3.0, 1e9)
    assert frame.info == FrameInfo("a", 1, 0.5, (6, 4), (10, 20), 1e9, 3.0)


def test_a_camera_without_its_file_of_detections_cannot_join_and_ends_nothing(tmp_path: Path) -> None:
    """Fault: the first frame of such a camera ended the whole run."""
    (tmp_path / "a.txt").write_text("1,-1,10,10,40,80,0.9\n")
    (tmp_path / "bad.txt").write_text("one,two\n")
    cameras = [{"url": "a.mp4", "name": "a", "detections": str(tmp_path / "a.txt")}]
    config = Config.model_validate({"cameras": cameras, "detector": {"backend": "file"}, "output": {"dir": None}})
    run = Pipeline(config, sources=[Walk("a", None, live=True)], embedder=Looks())
    run.start()
    try:
        wait_for(lambda: run.status().state == "running" and run.status().cameras["a"].frames > 0)
        for extra, said in (
            ({}, "it names no detections file"),
            ({"detections": str(tmp_path / "bad.txt")}, "columns"),
        ):
            with pytest.raises(ConfigError, match=rf"^camera 'b': .*{said}"):
                run.add_camera(CameraConfig(url="b.mp4", name="b", **extra), source=Walk("b"))
        with pytest.raises(ConfigError, match=r"^camera 'a': .*no such file|No such file"):
            run.change_camera(CameraConfig(url="a.mp4", name="a", detections=str(tmp_path / "gone.txt")))
        assert set(run.status().cameras) == {"a"}
        run.add_camera(CameraConfig(url="b.mp4", name="b", detections=str(tmp_path / "a.txt")), source=Walk("b"))
        wait_for(lambda: run.status().cameras["b"].frames > 0)
    finally:
        run.stop()
        run.join()
