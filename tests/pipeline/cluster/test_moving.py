"""When cameras move, and where to; Ray is nothing but its names here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from relaytrack.pipeline.cluster import moving as moving_module
from relaytrack.pipeline.cluster.camera_costs import CameraCosts
from relaytrack.pipeline.cluster.crew import LATEST, Crew
from relaytrack.pipeline.cluster.hiring import Hiring
from relaytrack.pipeline.cluster.member import Member
from relaytrack.pipeline.cluster.moving import SETTLE, Mover
from relaytrack.pipeline.cluster.ray_actors import Fitness
from relaytrack.pipeline.cluster.ray_start import Machine
from relaytrack.pipeline.cluster.work_order import Served, WorkStatus
from relaytrack.pipeline.config.loading import load_config


class RayError(Exception):
    """Of the Ray below."""


class RayTaskError(RayError):
    """What a program raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class FakeRay:
    """Answers are values that are there at once, unless they are in `late`; exceptions are raised."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self) -> None:
        self.late: list[Any] = []
        self.killed: list[Any] = []

    def wait(self, references: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return [one for one in references if one not in self.late], [one for one in references if one in self.late]

    def get(self, reference: Any) -> Any:
        if isinstance(reference, Exception):
            raise reference
        return reference

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


class Scene:
    """A site of four live cameras, all on one program, and machines that come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, live: bool = True) -> None:
        cameras = [{"url": f"rtsp://10.0.0.1/{name}", "name": name} for name in "abcd"]
        config = load_config(data={"cameras": cameras}, overrides={"run.device": "cpu", "run.live": live})
        self.ray: Any = FakeRay()
        self.machines = [Machine("m1", "10.0.0.1", 8.0, {})]
        self.fitness: Any = Fitness("0.1.0", 0.4)
        self.released: list[tuple[str, list[str]]] = []
        self.answer: Any = "released"
        self.starts: Any = lambda order: "started"
        monkeypatch.setattr(moving_module, "machines", lambda _: list(self.machines))
        self.hiring: Any = Hiring(self.ray, config)
        monkeypatch.setattr(self.hiring, "start", lambda machine, bound: Member(self.actor(), machine, bound))
        self.crew = Crew(self.ray, config, self.hiring, 0.0)
        self.old = Member(self.actor(), self.machines[0], "")
        self.crew.members.append(self.old)
        self.crew.give(self.old, list("abcd"))
        self.mover = Mover(self.ray, config, self.crew, self.hiring, 0.4)

    def actor(self) -> Any:
        def release(node: str, cameras: list[str]) -> Any:
            self.released.append((node, cameras))
            return self.answer

        methods = {
            "release": release,
            "fitness": lambda config: self.fitness,
            "start": lambda order: self.starts(order),
        }
        return SimpleNamespace(**{name: SimpleNamespace(remote=method) for name, method in methods.items()})

    def measured(self, member: Member, behind: bool = False, **costs: float) -> None:
        """A program tells what its cameras cost."""
        for node, group in member.groups():
            told = CameraCosts({name: costs[name] for name in group if name in costs}, 1, behind)
            member.status[node] = WorkStatus(node, "running", None, {}, (0, 0), 0, 0, 0, 0, told)

    def placed(self) -> dict[str, list[str]]:
        """The cameras of each machine."""
        return {
            one.machine.node_id: sorted(name for _, group in one.groups() for name in group)
            for one in self.crew.members
        }


def test_a_machine_that_joins_gets_a_share_by_cost_and_nothing_moves_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.measured(scene.old, a=0.4, b=0.1, c=0.2, d=0.1)
    scene.mover.look(0.0)
    assert scene.placed() == {"m1": list("abcd")}, "nobody has too little time"
    scene.machines.append(Machine("m2", "10.0.0.2", 8.0, {}))
    scene.mover.look(3.0)
    assert scene.mover.moving
    scene.mover.look(3.2)
    assert not scene.mover.moving
    placed = scene.placed()
    assert sorted(placed["m1"] + placed["m2"]) == list("abcd")
    assert "a" in placed["m2"] or placed["m2"] == list("bcd")
    assert len(scene.mover.moved) == 1
    for second in range(4, 100):
        for member in scene.crew.members:
            scene.measured(member, behind=True, a=0.41, b=0.1, c=0.19, d=0.1)
        scene.mover.look(float(second))
    assert scene.placed() == placed, "without a clear gain nothing moves, however little time there is"


def test_a_program_that_falls_behind_gives_cameras_away_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    other = Member(scene.actor(), Machine("m0", "10.0.0.3", 8.0, {}), "")
    scene.crew.members.append(other)
    scene.measured(scene.old, a=0.3, b=0.3)
    scene.mover.look(0.0)
    assert not scene.released
    scene.measured(scene.old, behind=True, a=0.5, b=0.5)
    scene.mover.look(1.0)
    assert not scene.released, "c and d are not measured yet"
    scene.measured(scene.old, behind=True, a=0.5, b=0.5, c=0.4, d=0.4)
    scene.mover.look(2.0)
    scene.mover.look(2.1)
    assert [len(names) for names in scene.placed().values()] == [2, 2]
    for member in scene.crew.members:
        scene.measured(member, behind=True, **dict.fromkeys("abcd", 0.1) | dict.fromkeys(scene.placed()["m1"], 0.9))
    count = len(scene.released)
    scene.mover.look(2.0 + SETTLE / 2)
    assert len(scene.released) == count, "it waits for new figures"


def test_a_machine_with_other_weights_follows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.measured(scene.old, **dict.fromkeys("abcd", 0.2))
    for fitness in (Fitness("0.1.0", 0.7), Fitness("0.0.1", 0.4), RayError("it died")):
        scene.fitness = fitness
        scene.machines.append(Machine(f"m{len(scene.machines) + 1}", "10.0.0.2", 8.0, {}))
        scene.mover.look(10.0 * len(scene.machines))
    assert scene.placed() == {"m1": list("abcd")}
    assert len(scene.ray.killed) == 3
    assert not scene.released


@pytest.mark.parametrize("end", ["source lost", "refused", "target lost", "not followed there"])
def test_no_camera_is_lost_on_its_way(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.measured(scene.old, **dict.fromkeys("abcd", 0.2))
    scene.machines.append(Machine("m2", "10.0.0.2", 8.0, {}))
    scene.ray.late.append("released")
    if end == "refused":
        scene.answer = RayError("there is no camera")
    scene.mover.look(0.0)
    assert scene.mover.moving
    if end == "not followed there":
        answers = [RayTaskError(ValueError("no such camera in this building"))]
        scene.starts = lambda order: answers.pop() if answers else "started"
    elif end != "refused":
        scene.crew._replace(scene.crew.members[0 if end == "source lost" else 1], "no answer")
    scene.ray.late.clear()
    scene.mover.look(0.2)
    assert not scene.mover.moving
    if end in ("not followed there", "refused"):
        assert scene.placed() == {"m1": list("abcd"), "m2": []}
        assert not scene.mover.moved
    assert sorted(name for names in scene.placed().values() for name in names) == list("abcd")


def test_a_camera_that_moves_for_weeks_leaves_no_orders_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: a served site kept every order with the settings of all its cameras, and read them again and again."""
    scene = Scene(monkeypatch)
    scene.crew._served = Served
    for _ in range(2 * LATEST):
        scene.crew.members.append(lost := Member(scene.actor(), scene.machines[0], ""))
        scene.crew.order(lost, ["a"])
        scene.crew._replace(lost, "no answer")
        taken = list(scene.old.orders)[-1]
        scene.old.leave_out(taken, ["a"])
        scene.old.leave_out(taken, ["a"])  # as where it is removed while it moves
    assert len(scene.old.orders) == 1
    assert len(scene.crew.moves) == len(scene.crew.seconds) == LATEST


def test_recordings_do_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, live=False)
    scene.measured(scene.old, behind=True, **dict.fromkeys("abcd", 0.9))
    scene.machines.append(Machine("m2", "10.0.0.2", 8.0, {}))
    scene.mover.look(0.0)
    assert scene.placed() == {"m1": list("abcd")}
