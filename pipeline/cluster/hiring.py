"""Starts programs that follow cameras, and sees that they fit together."""

from __future__ import annotations

import logging
import re
import time
from importlib.metadata import version
from typing import Any

from relaytrack.pipeline.cluster.head_watch import ClusterError
from relaytrack.pipeline.cluster.member import Member
from relaytrack.pipeline.cluster.ray_actors import Fitness, PerceptionActor
from relaytrack.pipeline.cluster.ray_start import Machine, machines
from relaytrack.pipeline.config.schema import Config

LOG = logging.getLogger("relaytrack.cluster")
START = 300.0
"""Seconds that a program may take to load its libraries and networks."""
_PAINT = re.compile("\x1b\\[[0-9;]*m")
_BOUND = 1e-3  # of a resource: enough to be sent to the machine that has it


class LostMachineError(ClusterError):
    """A machine was lost while a program was to start on it."""


class Hiring:
    """Starts programs on machines, and checks that they fit together.

    Args:
        ray: the module, connected.
        config: the whole site's.
    """

    def __init__(self, ray: Any, config: Config) -> None:
        self._ray = ray
        self._config = config

    def fitting(self, bound: str) -> list[Machine]:
        """The machines that are alive and have a resource; all of them for ""."""
        return [one for one in machines(self._ray) if not bound or one.resources.get(bound, 0) > 0]

    def machine(self, number: int, bound: str) -> Machine:
        """Where the program of a group goes, by the group's number.

        Raises:
            ClusterError: no machine has the resource.
        """
        found = self.fitting(bound)
        if not found:
            raise ClusterError(f"no machine has the resource {bound!r} (ray start --resources)")
        return found[number % len(found)]

    def settle(self, number: int, member: Member, reference: Any) -> tuple[Member, Fitness]:
        """Wait for a program's fitness; if its machine is lost meanwhile, start it on another one.

        Args:
            number: of the program's group.
            member: the program.
            reference: what `ask` gave.

        Raises:
            ClusterError: as of `fitness`, or no machine is left that has the resource.
        """
        while True:
            try:
                return member, self.fitness(member, reference)
            except LostMachineError as error:
                machine = self.machine(number, member.bound)
                LOG.warning("%s; its program starts on %s", error, machine.address)
                member = self.start(machine, member.bound)
                reference = self.ask(member)

    def start(self, machine: Machine, bound: str) -> Member:
        """Start a program on a machine, for the cameras that are bound to a resource."""
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

    def ask(self, member: Member) -> Any:
        """Let a program load its networks and say whether it can take part; a reference to its `Fitness`."""
        return member.actor.fitness.remote(self._config.model_copy(update={"cameras": ()}).model_dump_json())

    def fitness(self, member: Member, reference: Any) -> Fitness:
        """Wait for a program's word that it can take part.

        Raises:
            ClusterError: it cannot, or says nothing in time.
            LostMachineError: its machine was lost.
        """
        found: Fitness = self.answer(reference, member)
        ours = version("relaytrack")
        where = f"machine {member.machine.address}"
        if found.version != ours:
            raise ClusterError(f"{where} has relaytrack {found.version}, this one {ours}: install the same everywhere")
        if found.problem is not None:
            raise ClusterError(f"{where}: {found.problem}")
        return found

    def answer(self, reference: Any, member: Member) -> Any:
        """Wait for what a program answers.

        Raises:
            ClusterError: it died, or gives no answer in the time that its libraries and networks may take.
            LostMachineError: its machine was lost.
            RelayTrackError: what it refused.
        """
        where = f"machine {member.machine.address}"
        until = time.monotonic() + START
        try:
            while not self._ray.wait([reference], timeout=1.0)[0]:
                if time.monotonic() > until:
                    raise ClusterError(
                        f"{where}: no room for a program of {self._config.cluster.num_cpus:g} CPUs, "
                        f"or too busy to start it in {START:g} s"
                    )
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            if member.machine.node_id not in {one.node_id for one in machines(self._ray)}:
                raise LostMachineError(f"{where} is lost") from None
            raise ClusterError(f"{where}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Why a program died, in one line: the end of what Ray tells holds the cause."""
    text = " ".join(_PAINT.sub("", str(error)).split())
    missing = re.search("No module named '([^']+)'", text)
    if missing:
        return f"its Python has no {missing[1]} (pip install 'relaytrack[cluster]' there)"
    return text[-300:]
