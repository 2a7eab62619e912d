"""Sinks on threads of their own: nobody waits for another, and nobody's failure ends the run with a traceback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import ConfigError, OutputError, SinkError
from relaytrack.pipeline.records import Images, Step
from relaytrack.pipeline.runtime.sink_host import SinkHost
from tests.support.world import wait_for

PICTURE = np.zeros((4, 4, 3), np.uint8)


class Keep:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.news: list[str] = []
        self.closed = 0

    def write(self, step: Step) -> None:
        self.steps.append(step)

    def close(self) -> None:
        self.closed += 1

    def camera_added(self, camera: CameraConfig) -> None:
        self.news.append(f"+{camera.name} after {len(self.steps)}")

    def camera_removed(self, name: str) -> None:
        self.news.append(f"-{name} after {len(self.steps)}")


class Failing(Keep):
    """A sink that fails at some of its calls."""

    def __init__(self, error: Exception, times: int = 1_000_000) -> None:
        super().__init__()
        self.error, self.left = error, times

    def write(self, step: Step) -> None:
        if self.left > 0:
            self.left -= 1
            raise self.error
        super().write(step)


class Stuck(Keep):
    """A sink that hangs until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def write(self, step: Step) -> None:
        self.free.wait(60)
        super().write(step)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    sink = Stuck()
    yield sink
    sink.free.set()


def steps(count: int) -> list[Step]:
    return [Step(float(k), images={"a": PICTURE}, drawn={"a": PICTURE}) for k in range(count)]


def test_one_of_ten_sinks_that_hangs_for_good_costs_the_others_nothing(stuck: Stuck) -> None:
    host, others = SinkHost(), [Keep() for _ in range(9)]
    host.add(stuck, when_full="drop_oldest", queue=4)
    for sink in others:
        host.add(sink)
    begin = time.monotonic()
    for step in steps(500):
        host.put(step)
    assert time.monotonic() - begin < 2
    while any(status.waiting for name, status in host.status().items() if name != "Stuck"):
        time.sleep(0.01)
    status = host.status()
    assert [len(sink.steps) for sink in others] == [500] * 9
    assert status["Stuck"].dropped >= 500 - 5
    assert status["Stuck"].waiting == 4
    assert sum(one.dropped for name, one in status.items() if name != "Stuck") == 0
    host.close(timeout=0.2)


def test_a_sink_that_blocks_gets_every_step_in_order() -> None:
    class Slow(Keep):
        def write(self, step: Step) -> None:
            time.sleep(0.002)
            super().write(step)

    host, slow = SinkHost(), Slow()
    host.add(slow, when_full="block", queue=2)
    for step in steps(50):
        host.put(step)
        assert host.status()["Slow"].waiting <= 2
    host.close()
    assert [step.time for step in slow.steps] == [float(k) for k in range(50)]
    assert slow.closed == 1
    assert host.status()["Slow"].state == "closed"


def test_a_sink_that_is_disabled_is_told_once_and_closed(caplog: pytest.LogCaptureFixture) -> None:
    host, bad, good = SinkHost(), Failing(ConnectionError("no route to rtsp://bob:s3cret@door/1")), Keep()
    host.add(bad, name="mqtt", on_error="disable")
    host.add(good)
    for step in steps(20):
        host.put(step)
    host.close()
    assert len(good.steps) == 20
    assert caplog.text.count("sink mqtt: ConnectionError: no route") == 1
    assert "s3cret" not in caplog.text
    assert host.status()["mqtt"].state == "disabled"
    assert bad.closed == 1


def test_a_failure_that_counts_ends_the_run_as_one_line() -> None:
    host = SinkHost()
    host.add(Failing(ConnectionError("gone")), name="far", on_error="fail")

    def run() -> None:
        for step in steps(1000):
            host.put(step)
            time.sleep(0.001)

    with pytest.raises(SinkError, match=r"^sink far: ConnectionError: gone$"):
        run()
    with pytest.raises(SinkError):
        host.close()


def test_an_error_of_ours_keeps_its_words() -> None:
    host = SinkHost(on_error="fail")
    host.add(Failing(OutputError("out/a.txt: disk full")))
    host.put(steps(1)[0])
    with pytest.raises(OutputError, match=r"^out/a.txt: disk full$"):
        host.close()


def test_a_failing_close_is_a_failure_too() -> None:
    class Unclosable(Keep):
        def close(self) -> None:
            raise OutputError("disk full at the end")

    host = SinkHost(on_error="fail")
    host.add(Unclosable())
    with pytest.raises(OutputError, match="at the end"):
        host.close()


def test_a_sink_that_is_tried_again_loses_no_step_and_is_reported_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relaytrack.pipeline.runtime.sink_thread._FIRST_PAUSE", 0.005)
    host, shaky = SinkHost(), Failing(ConnectionError("away"), times=4)
    host.add(shaky, name="shaky", on_error="retry")
    for step in steps(10):
        host.put(step)
    limit = time.monotonic() + 10
    while len(shaky.steps) < 10 and time.monotonic() < limit:
        time.sleep(0.01)
    host.close()
    assert [step.time for step in shaky.steps] == [float(k) for k in range(10)]
    assert caplog.text.count("away") == 1
    assert caplog.text.count("works again") == 1


def test_the_end_does_not_wait_for_a_sink_that_is_tried_again() -> None:
    host = SinkHost()
    host.add(Failing(ConnectionError("away")), on_error="retry")
    host.put(steps(1)[0])
    begin = time.monotonic()
    host.close()
    assert time.monotonic() - begin < 5


def test_pictures_go_only_to_sinks_that_declare_them() -> None:
    class Pixels(Keep):
        needs_pixels = True

    class Drawn(Keep):
        needs_drawn = True

    asked: list[tuple[bool, bool]] = []

    def prepare(step: Step, raw: Images, *, pixels: bool, drawn: bool) -> Step:
        asked.append((pixels, drawn))
        return step

    host, plain, seen, painted = SinkHost(prepare), Keep(), Pixels(), Drawn()
    for sink in (plain, seen, painted):
        host.add(sink)
    host.put(steps(1)[0])
    host.close()
    assert asked == [(True, True)]
    assert [bool(sink.steps[0].images) for sink in (plain, seen, painted)] == [False, True, False]
    assert [bool(sink.steps[0].drawn) for sink in (plain, seen, painted)] == [False, False, True]


def test_a_sink_may_want_pictures_only_now_and_then() -> None:
    class Page(Keep):
        needs_drawn = False

    asked: list[bool] = []

    def prepare(step: Step, raw: Images, *, pixels: bool, drawn: bool) -> Step:
        asked.append(drawn)
        return step

    host, page = SinkHost(prepare), Page()
    host.add(page)
    for wanted in (False, True, False):
        page.needs_drawn = wanted
        host.put(steps(1)[0])
    host.close()
    assert asked == [False, True, False]
    assert [bool(step.drawn) for step in page.steps] == [False, True, False]


def test_news_of_cameras_come_in_order_with_the_steps() -> None:
    host, sink = SinkHost(), Keep()
    host.add(sink)
    host.put(steps(1)[0])
    host.camera_added(CameraConfig(url="x", name="gate"))
    host.put(steps(1)[0])
    host.camera_removed("gate")
    host.close()
    assert sink.news == ["+gate after 1", "-gate after 2"]


def test_a_sink_that_joins_later_is_told_of_the_cameras_that_are_there() -> None:
    """Fault: it was told only of those that came after it."""
    host, sink = SinkHost(), Keep()
    for name in ("gate", "hall", "yard"):
        host.camera_added(CameraConfig(url="x", name=name))
    host.camera_removed("hall")
    host.add(sink)
    host.put(steps(1)[0])
    host.camera_added(CameraConfig(url="x", name="roof"))
    host.close()
    assert sink.news == ["+gate after 0", "+yard after 0", "+roof after 1"]


def test_a_closed_host_takes_nobody() -> None:
    host = SinkHost()
    host.close()
    with pytest.raises(ConfigError, match="the run is over"):
        host.add(Keep())


def test_a_sink_that_cannot_say_whether_it_wants_pictures_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    """Fault: its exception ended the run."""

    class Undecided(Keep):
        asked = 0

        @property
        def needs_pixels(self) -> bool:
            self.asked += 1
            if self.asked > 3:
                raise KeyError("nobody looks")
            return True

    host, good = SinkHost(), Keep()
    host.add(Undecided(), name="page")
    host.add(good)
    for step in steps(10):
        host.put(step)
    host.close()
    assert len(good.steps) == 10
    assert host.status()["page"].state == "disabled"
    assert caplog.text.count("sink page: KeyError: 'nobody looks'; it is switched off") == 1


def test_a_sink_that_is_left_out_and_cannot_be_closed_either_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    class Hopeless(Failing):
        def close(self) -> None:
            raise OSError("nor closed")

    host = SinkHost(on_error="disable")
    host.add(Hopeless(ConnectionError("away")))
    for step in steps(3):
        host.put(step)
    host.close()
    assert caplog.text.count("it is switched off") == 1


@pytest.mark.parametrize("policy", ["retry", "resume"])
def test_a_close_that_fails_is_not_said_to_be_tried_again(policy: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Unclosable(Keep):
        def close(self) -> None:
            raise OSError("disk full at the end")

    host = SinkHost(on_error=policy)
    host.add(Unclosable())
    host.close()
    assert "sink Unclosable: OSError: disk full at the end; it could not be closed" in caplog.text
    assert "again" not in caplog.text


def test_sinks_come_and_go_while_the_run_goes_on() -> None:
    host, first, second = SinkHost(), Keep(), Keep()
    assert host.add(first, name="one") == "one"
    host.put(steps(1)[0])
    assert host.add(second, name="one") == "one-2"
    host.put(steps(1)[0])
    host.remove("one")
    host.put(steps(1)[0])
    host.close()
    assert (len(first.steps), len(second.steps)) == (2, 2)
    assert first.closed == second.closed == 1


def test_a_sink_that_hangs_for_good_does_not_hold_up_a_run_that_is_told_to_stop(stuck: Stuck) -> None:
    stop, good = threading.Event(), Keep()
    host = SinkHost(stop=stop, patience=0.3)
    host.add(good)
    host.add(stuck, when_full="block", queue=1)
    threading.Timer(0.3, stop.set).start()
    begin = time.monotonic()
    for step in steps(4):
        host.put(step)
    host.close(timeout=0.3)
    assert 0.3 <= time.monotonic() - begin < 10
    assert len(good.steps) == 4


def test_a_sink_that_resumes_loses_steps_and_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    class Files(Keep):
        room, resumed = False, 0

        def write(self, step: Step) -> None:
            if not self.room:
                raise OutputError("the disk is full")
            super().write(step)

        def resume(self) -> None:
            self.resumed += 1

    host, files = SinkHost(when_full="drop_oldest"), Files()
    host.add(files, name="video", on_error="resume", queue=2)
    given = steps(8)
    for step in given[:4]:
        host.put(step)
    assert wait_for(lambda: files.resumed > 0)
    assert host.status()["video"].state == "retrying"
    files.room = True
    for step in given[4:]:
        host.put(step)
    assert wait_for(lambda: host.status()["video"].state == "running", 10)
    host.close()
    assert files.steps[-1].time == given[-1].time
    status = host.status()["video"]
    assert status.written + status.dropped == len(given)
    assert status.error is None
    assert "sink video works again" in caplog.text


def test_a_sink_that_cannot_even_begin_anew_is_tried_again() -> None:
    """Fault: an error out of `resume` ended the sink's thread; its status said nothing, and it took no more steps."""

    class Files(Failing):
        resumed = 0

        def resume(self) -> None:
            self.resumed += 1
            if self.resumed == 1:
                raise RuntimeError("cannot close the old file")

    host, files = SinkHost(when_full="drop_oldest"), Files(OutputError("the disk is full"), 1)
    host.add(files, name="video", on_error="resume")
    first, second = steps(2)
    host.put(first)
    assert wait_for(lambda: files.resumed == 1)
    assert wait_for(lambda: "cannot close the old file" in (host.status()["video"].error or ""), 5)
    host.put(second)
    assert wait_for(lambda: host.status()["video"].state == "running", 5)
    host.close()
    assert [step.time for step in files.steps] == [second.time]
    assert files.closed == 1


@pytest.mark.parametrize("error", [ValueError("nothing known"), SystemExit("nothing known")])
def test_who_asks_a_sink_is_told_of_its_failure_and_the_sink_goes_on(error: BaseException) -> None:
    class Asked(Keep):
        def bring_up_to_date(self) -> None:
            raise error

    host, sink = SinkHost(), Asked()
    host.add(sink)
    with pytest.raises(SinkError, match="nothing known"):
        host.ask("bring_up_to_date").wait(10)
    host.put(steps(1)[0])
    host.close()
    assert len(sink.steps) == 1


def test_who_asks_a_sink_that_fails_before_its_turn_gets_an_answer_all_the_same(stuck: Stuck) -> None:
    """Fault: the question was thrown away with the steps, and whoever asked waited in vain."""
    asked = threading.Event()

    class Fails(Keep):
        def write(self, step: Step) -> None:
            stuck.free.wait(10)
            raise ConnectionError("away")

        def bring_up_to_date(self) -> None:
            asked.set()

    host = SinkHost(on_error="disable")
    host.add(Fails(), name="shaky")
    for step in steps(3):
        host.put(step)
    question = host.ask("bring_up_to_date")
    stuck.free.set()
    question.wait(5)
    assert asked.is_set()
    assert wait_for(lambda: host.status()["shaky"].state == "disabled")
    assert "away" in (host.status()["shaky"].error or "")
    host.close()
