"""Starts programs that follow cameras, and sees that they fit together."""

from __future__ import annotations

import re
import time
from importlib.metadata import version
from typing import Any

from relaytrack.pipeline.cluster.head_watch import ClusterError
from relaytrack.pipeline.cluster.member import Member
from relaytrack.pipeline.cluster.ray_actors import Fitness, PerceptionActor
from relaytrack.pipeline.cluster.ray_start import Machine
from relaytrack.pipeline.config.schema import Config

START = 300.0
"""Seconds that a program may take to load its libraries and networks."""
_PAINT = re.compile("\x1b\\[[0-9;]*m")
_BOUND = 1e-3  # of a resource: enough to be sent to the machine that has it


class Hiring:
    """Starts programs on machines, and checks that they fit together.

    Args:
        ray: the module, connected.
        config: the whole site's.
    """

    def __init__(self, ray: Any, config: Config) -> None:
        self._ray = ray
        self._config = config

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
            raise ClusterError(f"{where}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Why a program died, in one line: the end of what Ray tells holds the cause."""
    text = " ".join(_PAINT.sub("", str(error)).split())
    missing = re.search("No module named '([^']+)'", text)
    if missing:
        return f"its Python has no {missing[1]} (pip install 'relaytrack[cluster]' there)"
    return text[-300:]
