"""Calls of all programs of a cluster at once, and of each machine once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from relaytrack.pipeline.cluster.crew import Crew
from relaytrack.pipeline.cluster.far_people import Command
from relaytrack.pipeline.cluster.far_recordings import Answers, Question
from relaytrack.pipeline.cluster.head_watch import ClusterError
from relaytrack.pipeline.cluster.member import Member

TOLD = 10.0
"""Seconds that the programs get to take something up."""


class ProgramCalls:
    """Calls all programs of a cluster at once, or each machine once, and collects the answers.

    Args:
        ray: the module, connected.
        crew: the programs.
        busy: held while the programs are looked at or told something.
        recordings: folder on each machine with what the site's starts have recorded.
    """

    def __init__(self, ray: Any, crew: Crew, busy: threading.RLock, recordings: str) -> None:
        self._ray, self._crew, self._busy, self._recordings = ray, crew, busy, recordings

    def tell(self, command: Command, *words: Any, timeout: float) -> None:
        """Tell all programs something, and wait until all have done it.

        Raises:
            ClusterError: one does not answer.
            RelayTrackError: one refused it.
        """
        with self._busy:
            asked = {member.actor.tell.remote(command, *words): member for member in self._crew.members}
        self._answers(asked, timeout)

    def ask_machines(self, question: Question, *words: Any, of: Member | None = None, timeout: float = TOLD) -> Answers:
        """Ask each machine once about what lies on it, or one program's machine; those that are lost are left out.

        Raises:
            ClusterError: a machine does not answer.
            RelayTrackError: what it refused.
        """
        machines = {member.machine.node_id: member for member in self._crew.members} if of is None else {"": of}
        asked = {one.actor.recorded.remote(self._recordings, question, words): one for one in machines.values()}
        return [(asked[reference], answer) for reference, answer in self._answers(asked, timeout)]

    def _answers(self, asked: Mapping[Any, Member], timeout: float) -> list[tuple[Any, Any]]:
        done, late = self._ray.wait(list(asked), num_returns=len(asked), timeout=timeout) if asked else ([], [])
        found = []
        for reference in done:
            try:
                found.append((reference, self._ray.get(reference)))
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except self._ray.exceptions.RayError:
                continue  # the program is lost; who follows its cameras instead is told at the beginning
        if late:
            raise ClusterError(f"machine {asked[late[0]].machine.address} does not answer")
        return found
