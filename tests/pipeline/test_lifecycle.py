"""How every engine begins and ends, whatever it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from relaytrack.pipeline.engine.lifecycle import RunLifecycle
from relaytrack.pipeline.errors import ConfigError, SinkError
from relaytrack.pipeline.runtime.snapshot import RunState, Snapshot
from relaytrack.pipeline.runtime.summary import Summary


def nothing() -> None:
    return


class Engine(RunLifecycle):
    """Notes what happens to it."""

    def __init__(self, run: Callable[[], None] = nothing, *, ready: bool = True) -> None:
        super().__init__("test-engine")
        self.run, self.ready = run, ready
        self.happened: list[str] = []
        self.at_end: Callable[[], None] = nothing
        self.at_start: Callable[[], None] = nothing
        self._summary = Summary(())

    @property
    def summary(self) -> Summary:
        return self._summary

    def _prepare(self) -> bool:
        self.happened.append("prepare")
        self.at_start()
        return self.ready

    def _carry_out(self) -> None:
        self.happened.append("carry out")
        self.run()

    def _leave(self) -> None:
        self.happened.append("leave")
        self.at_end()

    def _snapshot(self, state: RunState, error: str | None) -> Snapshot:
        return Snapshot(state, error)


def refuse() -> None:
    raise SinkError("no room")


def test_a_run_begins_once_and_ends_with_its_summary() -> None:
    going = threading.Event()
    engine = Engine(lambda: going.wait(10) and None)
    assert engine.status().state == "new"
    with pytest.raises(ConfigError, match="not been started"):
        engine.join()
    assert engine.start() is engine
    assert engine.start() is engine
    assert engine.status().state == "running"
    with pytest.raises(TimeoutError, match=r"after 0\.01 s"):
        engine.join(0.01)
    engine.stop()
    assert engine.status().state == "stopping"
    going.set()
    assert engine.join(10) is engine.summary
    assert engine.status().state == "ended"
    assert engine.happened == ["prepare", "carry out", "leave"]


@pytest.mark.parametrize("where", ["run", "at_end"])
def test_what_ends_a_run_is_raised_by_join_and_told_by_status(where: str) -> None:
    engine = Engine()
    setattr(engine, where, refuse)
    engine.start()
    with pytest.raises(SinkError, match="no room"):
        engine.join(10)
    assert engine.status() == Snapshot("failed", "no room")
    assert engine.happened[-1] == "leave"


def test_a_start_that_fails_closes_what_is_open_and_is_told_once() -> None:
    engine = Engine()
    engine.at_start = refuse
    with pytest.raises(SinkError, match="no room"):
        engine.start()
    assert engine.happened == ["prepare", "leave"]
    assert engine.status() == Snapshot("failed", "no room")
    assert engine.join() is engine.summary


def test_a_start_that_was_stopped_ends_without_a_run() -> None:
    engine = Engine(ready=False)
    engine.start()
    assert engine.happened == ["prepare", "leave"]
    assert engine.status().state == "ended"
    assert engine.join() is engine.summary
