"""The programs that follow cameras: started on machines that fit, watched, replaced when they are lost."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from relaytrack.pipeline.cluster.gather import NodeResults
from relaytrack.pipeline.cluster.head_watch import ClusterError
from relaytrack.pipeline.cluster.hiring import Hiring, LostMachineError
from relaytrack.pipeline.cluster.member import Member, spread
from relaytrack.pipeline.cluster.placing import Group
from relaytrack.pipeline.cluster.ray_start import Machine
from relaytrack.pipeline.cluster.work_order import Served, WorkOrder, WorkStatus
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.identity.network_mark import same_network
from relaytrack.pipeline.share.places import is_address

LOG = logging.getLogger("relaytrack.cluster")
OVER = ("ended", "failed")
"""States of work that goes on no more."""
LATEST = 100
"""Moves of cameras that are remembered, for whoever looks; the log has all of them."""
RECORDINGS = "site"
"""Folder below `cluster.dir` with what the starts of a site that is served have written on a machine."""


class Crew:
    """All programs of a run.

    Args:
        ray: the module, connected.
        config: the whole site's.
        hiring: starts programs.
        zero: seconds since 1970 at the run's time 0.
        served: what work needs besides, asked for with each order, where the site is served.

    Attributes:
        config, zero: as above; what is ordered from now on follows them.
        members: the programs.
        moves: what was lost, and who took over; seconds: from the question that had no answer to the new order; both
            the latest ones.
    """

    def __init__(
        self, ray: Any, config: Config, hiring: Hiring, zero: float, served: Callable[[], Served] | None = None
    ) -> None:
        self._ray = ray
        self._served = served
        self.config = config
        self._hiring = hiring
        self.zero = zero
        self._number = 0
        self._order = int(time.time() * 1000)
        self.members: list[Member] = []
        self.moves: deque[str] = deque(maxlen=LATEST)
        self.seconds: deque[float] = deque(maxlen=LATEST)

    def hire(self, groups: Sequence[Group]) -> tuple[float | None, bytes | None]:
        """Start a program for every group, on as many machines as there are, and see that each of them fits.

        Returns:
            What is known of their embedder: the same-person threshold and the network's mark.

        Raises:
            ClusterError: no machine has room, one has another version or lacks the weights, or they differ.
        """
        for number, group in enumerate(groups):
            self.members.append(self._hiring.start(self._hiring.machine(number, group.bound), group.bound))
        asked = [self._hiring.ask(member) for member in self.members]
        found = []
        for number, reference in enumerate(asked):
            self.members[number], fitness = self._hiring.settle(number, self.members[number], reference)
            found.append(fitness)
        first = found[0]
        if any(one.threshold != first.threshold or not same_network(one.network, first.network) for one in found):
            raise ClusterError("the machines have different weights of the embedder")
        return first.threshold, first.network

    def begin(self, groups: Sequence[Group]) -> None:
        """Let every program follow its group, if there is anybody in it."""
        wanted = [(member, group) for member, group in zip(self.members, groups, strict=True) if group.cameras]
        starting = [self.order(member, group.cameras)[1] for member, group in wanted]
        for (member, _), reference in zip(wanted, starting, strict=True):
            with contextlib.suppress(LostMachineError):  # `watch` gives its cameras to another
                self._hiring.answer(reference, member)

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
                late = time.monotonic() - member.since > self.config.cluster.patience
                if late and self._others(member):  # where nobody else can follow its cameras, it is waited for
                    self._replace(member, f"no answer for {self.config.cluster.patience:g} s")
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
        """Let all programs end, and wait so many seconds for it; works without the head of the cluster."""
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
        """How to get at what every program wrote, in the order in which they were told to begin."""
        orders = [(order.order, node, member) for member in self.members for node, order in member.orders.items()]
        found = []
        for _, node, member in sorted(orders, key=lambda one: one[0]):
            files = self._ray.get(member.actor.files.remote(node))
            found.append(NodeResults(node, files, self._reader(member, node)))
        return found

    def dismiss(self) -> None:
        """End the programs at once."""
        for member in self.members:
            with contextlib.suppress(Exception):
                self._ray.kill(member.actor)

    def give(self, member: Member, cameras: Sequence[str]) -> None:
        """Let a program follow cameras from now on, beside those that it has."""
        member.starting.append(self.order(member, cameras)[1])

    def order(self, member: Member, cameras: Sequence[str]) -> tuple[str, Any]:
        """Order a program to follow cameras: the order's name, and a reference that tells how its start went."""
        self._number += 1
        self._order += 1
        node = f"node{self._number}"
        settings = self.config.model_copy(
            update={"cameras": tuple(one for one in self.config.cameras if one.name in cameras)}
        )
        served = None if self._served is None else self._served()
        folder: Path | None = Path(self.config.cluster.dir) / (node if served is None else RECORDINGS)
        if served is not None and self.config.output.dir is None:
            folder = None
        path = None if folder is None else str(folder)
        order = WorkOrder(node, self._order, settings.model_dump_json(), path, self.zero, served)
        member.orders[node] = order
        member.asked = None
        return node, member.actor.start.remote(order)

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

    def _others(self, member: Member) -> list[Machine]:
        """The machines that could do a member's work besides its own."""
        return [one for one in self._hiring.fitting(member.bound) if one.node_id != member.machine.node_id]

    def _replace(self, lost: Member, why: str) -> None:
        """Give the cameras of a lost program to those with the least to do, or to a new one on another machine."""
        self.members.remove(lost)
        cameras = [name for _, group in lost.groups() for name in group]
        with contextlib.suppress(Exception):
            self._ray.kill(lost.actor)
        told = f"the program on {lost.machine.address} is lost ({why})"
        if not cameras:
            LOG.warning("%s", told)
            return
        able = [one for one in self.members if one.bound == lost.bound]
        if not able:
            fitting = self._others(lost) or self._hiring.fitting(lost.bound)
            if not fitting:
                raise ClusterError(f"no machine is left for the cameras {', '.join(sorted(cameras))}")
            able = [self._hiring.start(fitting[0], lost.bound)]
            self.members += able
        for heir, taken in self._heirs(able, lost, cameras):
            self.give(heir, taken)
            told += f"; {heir.machine.address} follows {', '.join(sorted(taken))} now"
        self.seconds.append(time.monotonic() - lost.since)
        self.moves.append(told)
        LOG.warning("%s", told)

    @staticmethod
    def _heirs(able: Sequence[Member], lost: Member, cameras: Sequence[str]) -> list[tuple[Member, list[str]]]:
        """Who takes which cameras of a lost program; all others stay where they are."""
        theirs = {name: one for one in able for _, group in one.groups() for name in group}
        costs = {name: cost for one in (*able, lost) for name, cost in one.costs().items()}
        everyone = {**theirs, **dict.fromkeys(cameras, lost)}
        found = spread(able, everyone, costs, bind=dict.fromkeys(everyone, lost.bound), fixed=everyone)
        shares = [(one, [name for name in cameras if found[name] is one]) for one in able]
        return [(one, share) for one, share in shares if share]


def absolute(config: Config, folder: Path) -> Config:
    """The configuration with paths that hold in every working folder."""
    output, share = config.output, config.cluster.share
    store = None if output.store is None else str((folder / output.store).absolute())
    if share is not None and not is_address(share):
        share = str((folder / share).absolute())
    where = {"dir": str((folder / config.cluster.dir).absolute()), "share": share}
    return config.model_copy(
        update={
            "cluster": config.cluster.model_copy(update=where),
            "output": output.model_copy(update={"store": store}),
        }
    )
