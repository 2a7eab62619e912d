"""What a program may still ask of a run that is over, and what it asks twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import ConfigError, SourceError
from tests.support.world import Eyes, Keep, Looks, Walk, wait_for


def pipeline(*sources: Walk, **parts: Any) -> Pipeline:
    return Pipeline({"output": {"dir": None}}, sources=sources, **{"detector": Eyes(), "embedder": Looks(), **parts})


@pytest.mark.parametrize(
    "ask", [lambda run: list(run.steps()), lambda run: run.add_sink(Keep())], ids=["steps", "add_sink"]
)
def test_nobody_waits_for_steps_of_a_run_that_is_over(ask: Callable[[Pipeline], object]) -> None:
    """Fault: a loop over the steps of a run that had ended waited for ever."""
    run = pipeline(Walk("a", 3))
    run.run()
    with pytest.raises(ConfigError, match="the run is over"):
        ask(run)
    assert run.status().state == "ended"


def test_a_loop_over_a_run_that_could_not_start_gets_its_error() -> None:
    run = pipeline(Walk("a", fail=SourceError("camera 'a': cable cut")))
    for _ in range(2):
        with pytest.raises(SourceError, match="cable cut"):
            list(run.steps())


def test_a_run_that_is_stopped_before_its_start_ends_at_once() -> None:
    sink = Keep()
    run = pipeline(Walk("a", None), sinks=[sink])
    run.stop()
    assert not list(run.steps())
    assert (run.status().state, run.join().frames, sink.closed) == ("ended", 0, True)


def test_an_error_in_the_body_of_a_loop_ends_the_run() -> None:
    source = Walk("a", None)
    run = pipeline(source)

    def loop() -> None:
        for _ in run.steps():
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        loop()
    assert run.status().state == "ended"
    assert source.closed.is_set()


def test_a_second_loop_that_is_left_leaves_the_run_alone() -> None:
    run = pipeline(Walk("a", None)).start()
    for _ in run.steps():
        break
    before = run.status().cameras["a"].frames
    assert wait_for(lambda: run.status().cameras["a"].frames > before)
    assert run.status().sinks == {}
    run.stop()
    run.join(10)


def test_two_runs_in_one_process_do_not_meet() -> None:
    sinks = Keep(), Keep()
    runs = [pipeline(Walk("a", 60), sinks=[sink]).start() for sink in sinks]
    for run in runs:
        run.join(20)
    first, second = (
        [(step.time, [(tracks.global_ids.tolist(), len(step.events)) for tracks in step]) for step in sink.steps]
        for sink in sinks
    )
    assert first == second
    assert len(first) == 61
