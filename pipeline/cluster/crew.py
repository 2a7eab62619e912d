"""The programs that follow cameras: started on machines that fit, watched, replaced when they are lost."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from relaytrack.pipeline.cluster.gather import NodeResults
from relaytrack.pipeline.cluster.head_watch import ClusterError
from relaytrack.pipeline.cluster.node_work import WorkOrder, WorkStatus
from relaytrack.pipeline.cluster.placing import Group
from relaytrack.pipeline.cluster.ray_actors import Fitness, PerceptionActor
from relaytrack.pipeline.cluster.ray_start import Machine, machines
from relaytrack.pipeline.config.schema import Config

LOG = logging.getLogger("relaytrack.cluster")
_START = 300.0  # seconds that a program may take to load its libraries and networks
OVER = ("ended", "failed")
"""States of work that goes on no more."""
_PAINT = re.compile("\x1b\\[[0-9;]*m")
_BOUND = 1e-3  # of a resource: enough to be sent to the machine that has it


@dataclass(slots=True, eq=False)
class Member:
    """One program: its actor, its machine, the groups of cameras that it follows, and its open status request."""

    actor: Any
    machine: Machine
    bound: str
    orders: dict[str, WorkOrder] = field(default_factory=dict)
    asked: Any = None
    since: float = 0.0
    status: dict[str, WorkStatus] = field(default_factory=dict)
    starting: list[Any] = field(default_factory=list)


class Crew:
    """All programs of a run.

    Args:
        ray: the module, connected.
        config: the whole site's.
        zero: seconds since 1970 at the run's time 0.

    Attributes:
        members: the programs.
        moves: what was lost, and who took over; seconds: from the question that had no answer to the new order.
    """

    def __init__(self, ray: Any, config: Config, zero: float) -> None:
        self._ray = ray
        self._config = config
        self._zero = zero
        self._number = 0
        self._order = int(time.time() * 1000)
        self.members: list[Member] = []
        self.moves: list[str] = []
        self.seconds: list[float] = []

    def hire(self, groups: Sequence[Group]) -> list[Fitness]:
        """Start a program for every group, on as many machines as there are, and see that each of them fits.

        Raises:
            ClusterError: no machine has room, or one has another version or lacks the weights.
        """
        for number, group in enumerate(groups):
            fitting = self._fitting(group.bound)
            if not fitting:
                raise ClusterError(f"no machine has the resource {group.bound!r} (ray start --resources)")
            self.members.append(self._hire(fitting[number % len(fitting)], group.bound))
        return [self._fitness(member) for member in self.members]

    def begin(self, groups: Sequence[Group]) -> None:
        """Let every program follow its group."""
        starting = []
        for member, group in zip(self.members, groups, strict=True):
            starting.append((member, self._give(member, group.cameras)))
        for member, reference in starting:
            self._answer(reference, member, _START)

    def watch(self) -> list[WorkStatus]:
        """Ask all programs how they are; the work of one that does not answer in time goes to another."""
        now = time.monotonic()
        for member in list(self.members):
            if member.asked is None:
                member.asked, member.since = member.actor.status.remote(), now
        asked = [member.asked for member in self.members]
        self._ray.wait(asked, num_returns=len(asked), timeout=0.3)
        for member in list(self.members):
            self._see_starts(member)
            if member.asked is None:  # it has just got more work
                continue
            done, _ = self._ray.wait([member.asked], timeout=0)
            if not done:
                late = time.monotonic() - member.since > self._config.cluster.patience
                if late and self._others(member):  # where nobody else can follow its cameras, it is waited for
                    self._replace(member, f"no answer for {self._config.cluster.patience:g} s")
                continue
            try:
                found = self._ray.get(member.asked)
            except self._ray.exceptions.RayError as error:
                self._replace(member, type(error).__name__)
                continue
            member.asked = None
            member.status = {status.node: status for status in found}
            for status in found:
                for note in status.notes:
                    LOG.warning("%s", note)
        return [status for member in self.members for status in member.status.values()]

    def stop(self) -> None:
        """Let all programs end."""
        for member in self.members:
            with contextlib.suppress(self._ray.exceptions.RayError):
                member.actor.stop.remote()

    def end_without_head(self, seconds: float) -> None:
        """Let all programs end, and wait so long for it; asks nobody but the programs themselves."""
        self.stop()
        until = time.monotonic() + seconds
        for member in self.members:
            with contextlib.suppress(self._ray.exceptions.RayError):
                while time.monotonic() < until:
                    found = self._ray.get(member.actor.status.remote(), timeout=until - time.monotonic())
                    if all(status.state in OVER for status in found):
                        break
                    time.sleep(0.2)

    def results(self) -> list[NodeResults]:
        """How to get at what every program wrote."""
        found = []
        for member in self.members:
            for node in member.orders:
                files = self._ray.get(member.actor.files.remote(node))
                found.append(NodeResults(node, files, self._reader(member, node)))
        return found

    def dismiss(self) -> None:
        """End the programs at once."""
        for member in self.members:
            with contextlib.suppress(Exception):
                self._ray.kill(member.actor)

    # the inside

    def _see_starts(self, member: Member) -> None:
        """Raise the error of a program that could not start the work it got during the run."""
        if not member.starting:
            return
        done, member.starting = self._ray.wait(member.starting, num_returns=len(member.starting), timeout=0)
        for reference in done:
            try:
                self._ray.get(reference)
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except self._ray.exceptions.RayError:
                continue  # the program is lost; its status says so

    def _reader(self, member: Member, node: str) -> Callable[[str, int], bytes]:
        def read(name: str, start: int) -> bytes:
            return bytes(self._ray.get(member.actor.read.remote(node, name, start)))

        return read

    def _hire(self, machine: Machine, bound: str) -> Member:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        settings = self._config.cluster
        options: dict[str, Any] = {
            "num_cpus": settings.num_cpus,
            "num_gpus": settings.num_gpus,
            "max_concurrency": 8,
            "max_restarts": 0,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(machine.node_id, soft=False),
        }
        if bound:
            options["resources"] = {bound: _BOUND}
        actor = self._ray.remote(PerceptionActor).options(**options).remote()
        return Member(actor, machine, bound)

    def _fitness(self, member: Member) -> Fitness:
        ready = member.actor.fitness.remote(self._config.model_copy(update={"cameras": ()}).model_dump_json())
        found: Fitness = self._answer(ready, member, _START)
        ours = version("relaytrack")
        where = f"machine {member.machine.address}"
        if found.version != ours:
            raise ClusterError(f"{where} has relaytrack {found.version}, this one {ours}: install the same everywhere")
        if found.problem is not None:
            raise ClusterError(f"{where}: {found.problem}")
        return found

    def _answer(self, reference: Any, member: Member, timeout: float) -> Any:
        where = f"machine {member.machine.address}"
        until = time.monotonic() + timeout
        try:
            while not self._ray.wait([reference], timeout=1.0)[0]:
                if time.monotonic() > until:
                    raise ClusterError(
                        f"{where}: no room for a program of {self._config.cluster.num_cpus:g} CPUs, "
                        f"or too busy to start it in {timeout:g} s"
                    )
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            raise ClusterError(f"{where}: {_reason(error)}") from None

    def _give(self, member: Member, cameras: Sequence[str]) -> Any:
        self._number += 1
        self._order += 1
        node = f"node{self._number}"
        settings = self._config.model_copy(
            update={"cameras": tuple(one for one in self._config.cameras if one.name in cameras)}
        )
        folder = str(Path(self._config.cluster.dir) / node)
        order = WorkOrder(node, self._order, settings.model_dump_json(), folder, self._zero)
        member.orders[node] = order
        member.asked = None
        return member.actor.start.remote(order)

    def _fitting(self, bound: str) -> list[Machine]:
        """The machines that are alive and have a resource."""
        return [one for one in machines(self._ray) if not bound or one.resources.get(bound, 0) > 0]

    def _others(self, member: Member) -> list[Machine]:
        """The machines that could do a member's work besides its own."""
        return [one for one in self._fitting(member.bound) if one.node_id != member.machine.node_id]

    def _replace(self, lost: Member, why: str) -> None:
        """Give the work of a lost program to the one with the least, or to a new one on another machine."""
        self.members.remove(lost)
        names = [
            [camera.name for camera in Config.model_validate_json(one.config).cameras] for one in lost.orders.values()
        ]
        text = ", ".join(sorted(name for group in names for name in group))
        with contextlib.suppress(Exception):
            self._ray.kill(lost.actor)
        able = [one for one in self.members if one.bound == lost.bound]
        if able:
            heir = min(able, key=lambda one: len(one.orders))
        else:
            fitting = self._others(lost) or self._fitting(lost.bound)
            if not fitting:
                raise ClusterError(f"no machine is left for the cameras {text}")
            heir = self._hire(fitting[0], lost.bound)
            self.members.append(heir)
        for group in names:
            heir.starting.append(self._give(heir, group))
        self.seconds.append(time.monotonic() - lost.since)
        line = f"the program on {lost.machine.address} is lost ({why}); {heir.machine.address} follows {text} now"
        self.moves.append(line)
        LOG.warning("%s", line)


def _reason(error: Exception) -> str:
    """Why a program died, in one line: the end of what Ray tells holds the cause."""
    text = " ".join(_PAINT.sub("", str(error)).split())
    missing = re.search("No module named '([^']+)'", text)
    if missing:
        return f"its Python has no {missing[1]} (pip install 'relaytrack[cluster]' there)"
    return text[-300:]


def absolute(config: Config, folder: Path) -> Config:
    """The configuration with paths that hold in every working folder."""
    output = config.output
    store = None if output.store is None else str((folder / output.store).absolute())
    return config.model_copy(
        update={
            "cluster": config.cluster.model_copy(update={"dir": str((folder / config.cluster.dir).absolute())}),
            "output": output.model_copy(update={"store": store}),
        }
    )
