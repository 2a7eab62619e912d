"""Moves live cameras when a machine joins, or when a program has too little time for its cameras.

A camera that moves is let go first, and then followed by the other program: it gets new track ids and keeps the
identities of its people.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from relaytrack.pipeline.cluster.camera_costs import WINDOW
from relaytrack.pipeline.cluster.crew import LATEST, Crew
from relaytrack.pipeline.cluster.head_watch import ClusterError
from relaytrack.pipeline.cluster.hiring import START, Hiring
from relaytrack.pipeline.cluster.member import Member, spread
from relaytrack.pipeline.cluster.ray_start import Machine, machines
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.identity.network_mark import same_network
from relaytrack.pipeline.sources import is_live

LOG = logging.getLogger("relaytrack.cluster")
SETTLE = 2.0 * WINDOW
"""Seconds after a move in which nothing moves: what the cameras cost is measured anew."""
_LOOK = 2.0  # seconds between two looks for new machines


@dataclass(frozen=True, slots=True)
class _Newcomer:
    member: Member
    fitness: Any
    since: float


@dataclass(frozen=True, slots=True)
class _Move:
    """Cameras on their way: `by` is asked to let them go or to follow them, as its `order`, and answers."""

    source: Member
    target: Member
    cameras: list[str]
    by: Member
    order: str
    answer: Any


class Mover:
    """Decides which cameras move, and carries the moves out. `look` is called again and again, and waits for nothing.

    Args:
        ray: the module, connected.
        config: the whole site's.
        crew: the programs.
        hiring: starts further ones.
        threshold: the same-person threshold of the programs' embedder.
        network: the mark of its network; None where it is not known.

    Attributes:
        moved: what moved from where to where, a line each, the latest ones.
    """

    def __init__(
        self,
        ray: Any,
        config: Config,
        crew: Crew,
        hiring: Hiring,
        threshold: float | None,
        network: bytes | None = None,
    ) -> None:
        self._ray, self._crew, self._hiring = ray, crew, hiring
        self._threshold, self._network = threshold, network
        self._cluster = config.cluster
        self._bounds = {config.cluster.bind.get(camera.name, "") for camera in config.cameras}
        self._known = {machine.node_id for machine in machines(ray)}
        self._joining: list[_Newcomer] = []
        self._leaving: list[_Move] = []
        self._arriving: list[_Move] = []
        self._staying: set[str] = set()  # cameras that could not be followed elsewhere
        self._joined = False  # whether there is a program that has no share yet
        self._due: float | None = None  # since when cameras are to be spread anew
        self._looked = self._settled = float("-inf")
        self.moved: deque[str] = deque(maxlen=LATEST)

    @property
    def _live(self) -> set[str]:
        """The live cameras of the present."""
        config = self._crew.config
        return {camera.name for camera in config.cameras if is_live(camera, config.run)}

    @property
    def moving(self) -> bool:
        """Whether a camera is on its way: let go, and not followed yet."""
        return bool(self._leaving or self._arriving)

    def look(self, now: float) -> None:
        """Take up new machines, move cameras where it is of clear use.

        Args:
            now: seconds of a steady clock.
        """
        if not self._live:  # a recording would begin again
            return
        self._hand_over()
        if now >= self._looked + _LOOK:
            self._looked = now
            self._scout(now)
        self._welcome(now)
        self._see_arrived()
        if not self.moving and now >= self._settled:
            self._spread(now)

    def _scout(self, now: float) -> None:
        """Start a program on every machine that has joined, unless their number was given."""
        for machine in machines(self._ray):
            if machine.node_id in self._known:
                continue
            self._known.add(machine.node_id)
            bound = self._bound(machine)
            if self._cluster.nodes is None and bound is not None:
                LOG.info("machine %s has joined", machine.address)
                member = self._hiring.start(machine, bound)
                self._joining.append(_Newcomer(member, self._hiring.ask(member), now))

    def _bound(self, machine: Machine) -> str | None:
        """The resource whose cameras a machine is to follow, "" for those bound to none; None: it is to follow none."""
        fitting = [bound for bound in sorted(self._bounds - {""}) if machine.resources.get(bound, 0) > 0]
        return fitting[0] if fitting else ("" if "" in self._bounds else None)

    def _welcome(self, now: float) -> None:
        """Take programs up that are ready; one that does not fit follows nothing."""
        for one in list(self._joining):
            ready, _ = self._ray.wait([one.fitness], timeout=0)
            if not ready and now < one.since + START:
                continue
            self._joining.remove(one)
            try:
                if not ready:
                    raise ClusterError(f"machine {one.member.machine.address}: no room, or too busy to start a program")
                found = self._hiring.fitness(one.member, one.fitness)
                if found.threshold != self._threshold or not same_network(found.network, self._network):
                    raise ClusterError(f"machine {one.member.machine.address} has other weights of the embedder")
            except Exception as error:  # whatever is wrong there, the cameras that are followed go on
                LOG.warning("%s; it follows no camera", one_line(error)[-300:])
                with contextlib.suppress(Exception):
                    self._ray.kill(one.member.actor)
                continue
            self._crew.members.append(one.member)
            self._joined = True

    def _spread(self, now: float) -> None:
        """Begin to move cameras if a program has joined, or one has too little time, and the gain is clear."""
        members = list(self._crew.members)
        if not self._joined and not any(member.behind for member in members):
            self._due = None
            return
        self._due = now if self._due is None else self._due
        costs = {name: cost for member in members for name, cost in member.costs().items()}
        where = {name: (member, node) for member in members for node, group in member.groups() for name in group}
        known = self._live & set(where)
        if known - set(costs) and now < self._due + SETTLE:
            return  # some are being measured; one that has no picture is not waited for without end
        fixed = {name for name, (member, node) in where.items() if not self._movable(name, member, node)}
        wanted = spread(members, {name: member for name, (member, _) in where.items()}, costs, fixed=fixed)
        self._joined, self._due, self._settled = False, None, now + SETTLE
        groups: dict[tuple[str, Member, Member], list[str]] = {}
        for name, target in wanted.items():
            source, node = where[name]
            if target is not source:
                groups.setdefault((node, source, target), []).append(name)
        for (node, source, target), names in groups.items():
            self._leaving.append(_Move(source, target, names, source, node, source.actor.release.remote(node, names)))

    def _movable(self, name: str, member: Member, node: str) -> bool:
        status = member.status.get(node)
        return name in self._live - self._staying and status is not None and status.state == "running"

    def _answered(self, moves: list[_Move]) -> Iterator[_Move]:
        """Take out the moves that were answered; the cameras of a program that is lost went elsewhere already."""
        for one in list(moves):
            answered, _ = self._ray.wait([one.answer], timeout=0)
            lost = one.by not in self._crew.members
            if answered or lost:
                moves.remove(one)
                if not lost:
                    yield one

    def _hand_over(self) -> None:
        """Give cameras that were let go to their new programs."""
        for one in self._answered(self._leaving):
            try:
                self._ray.get(one.answer)
            except self._ray.exceptions.RayError as error:
                LOG.warning("cameras %s stay: %s", ", ".join(one.cameras), one_line(error)[-200:])
                continue
            one.source.leave_out(one.order, one.cameras)
            target = one.target if one.target in self._crew.members else one.source
            node, started = self._crew.order(target, one.cameras)
            self._arriving.append(_Move(one.source, target, one.cameras, target, node, started))

    def _see_arrived(self) -> None:
        """Note which cameras are followed by their new programs; give back what cannot be followed there."""
        for one in self._answered(self._arriving):
            names, source, target = ", ".join(one.cameras), one.source.machine.address, one.target.machine.address
            try:
                self._ray.get(one.answer)
            except self._ray.exceptions.RayTaskError as error:
                LOG.warning("%s cannot be followed on %s: %s", names, target, one_line(error.cause)[-200:])
                one.target.orders.pop(one.order, None)
                self._staying.update(one.cameras)
                self._crew.give(one.source if one.source in self._crew.members else one.target, one.cameras)
                continue
            except self._ray.exceptions.RayError:
                continue  # the program is lost; the crew gives its cameras to another one
            self.moved.append(f"{names}: from {source} to {target}")
            LOG.info("moved %s", self.moved[-1])
