"""Machines that do not fit are refused in one line."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from relaytrack.pipeline.cluster import hiring as hiring_module
from relaytrack.pipeline.cluster.head_watch import ClusterError
from relaytrack.pipeline.cluster.hiring import Hiring, LostMachineError
from relaytrack.pipeline.cluster.member import Member
from relaytrack.pipeline.cluster.ray_actors import Fitness, PerceptionActor
from relaytrack.pipeline.cluster.ray_start import Machine
from relaytrack.pipeline.config.loading import load_config

NEVER = object()  # an answer that does not come
CONFIG = load_config(data={"cameras": ["rtsp://10.0.0.1/a"]}, overrides={"run.device": "cpu"})


class RayTaskError(Exception):
    """Of the Ray below."""


def hiring_of_a_machine_that_says(answer: Any, *, alive: bool = True) -> tuple[Hiring, Member]:
    """A program on a machine that gives this answer; Ray is nothing but its names."""
    here = SimpleNamespace(get_node_id=lambda: "here")
    nodes = [{"NodeID": "n", "NodeManagerAddress": "10.0.0.2", "Resources": {}, "Alive": alive}]

    def get(reference: Any) -> Any:
        if isinstance(reference, Exception):
            raise reference
        return reference

    def wait(references: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return ([], references) if references == [NEVER] else (references, [])

    errors = SimpleNamespace(RayTaskError=RayTaskError, RayError=OSError)
    ray = SimpleNamespace(get=get, wait=wait, exceptions=errors, nodes=lambda: nodes, get_runtime_context=lambda: here)
    actor = SimpleNamespace(fitness=SimpleNamespace(remote=lambda config: answer))
    return Hiring(ray, CONFIG), Member(actor, Machine("n", "10.0.0.2", 8.0, {}), "")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Fitness("0.0.9"), r"machine 10\.0\.0\.2 has relaytrack 0\.0\.9, this one .*: install the same everywhere"),
        (Fitness("0.1.0", problem="weights not found: x"), r"machine 10\.0\.0\.2: weights not found: x"),
        (NEVER, r"machine 10\.0\.0\.2: no room for a program of 1 CPUs"),
        (OSError("the\nworker died"), r"machine 10\.0\.0\.2: the worker died"),
        (
            OSError("a\x1b[36mModuleNotFoundError: No module named 'relaytrack'\x1b[39m"),
            r"its Python has no relaytrack",
        ),
    ],
)
def test_a_machine_that_does_not_fit_is_refused(answer: Any, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hiring_module, "START", 0.0)
    hiring, member = hiring_of_a_machine_that_says(answer)
    with pytest.raises(ClusterError, match=told) as error:
        hiring.fitness(member, hiring.ask(member))
    assert "\n" not in str(error.value)


def test_a_machine_that_is_lost_is_told_apart_from_one_that_does_not_fit() -> None:
    hiring, member = hiring_of_a_machine_that_says(OSError("its node has died"), alive=False)
    with pytest.raises(LostMachineError, match=r"^machine 10\.0\.0\.2 is lost$"):
        hiring.fitness(member, hiring.ask(member))


def test_a_machine_says_what_it_lacks() -> None:
    config = CONFIG.model_copy(update={"cameras": ()})
    lacking = config.model_copy(update={"embedder": config.embedder.model_copy(update={"weights": "/none.onnx"})})
    found = PerceptionActor().fitness(lacking.model_dump_json())
    assert found.problem is not None
    assert "/none.onnx" in found.problem


def test_a_machine_that_fits_tells_its_threshold() -> None:
    found = PerceptionActor().fitness(CONFIG.model_copy(update={"cameras": ()}).model_dump_json())
    assert found.problem is None
    assert found.threshold is not None
    assert 0 < found.threshold < 1
    assert found.weights


def test_work_that_has_ended_is_reported_once_where_two_ask_at_the_same_time() -> None:
    """Fault: both calls reported it, and the second ended with `KeyError`."""
    closed: list[str] = []

    class Work:
        def status(self) -> SimpleNamespace:
            time.sleep(0.05)
            return SimpleNamespace(node="n1", state="ended", snapshot=object())

        def close(self) -> None:
            closed.append("n1")

    actor = PerceptionActor()
    actor._work["n1"] = Work()  # type: ignore[assignment]
    with ThreadPoolExecutor(4) as pool:
        found = [one for call in [pool.submit(actor.status) for _ in range(4)] for one in call.result()]
    assert [one.node for one in found] == closed == ["n1"]
