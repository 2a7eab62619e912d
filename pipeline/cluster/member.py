"""One program of a cluster that follows cameras, as the start knows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from relaytrack.pipeline.cluster.balance import Place, balanced
from relaytrack.pipeline.cluster.ray_start import Machine
from relaytrack.pipeline.cluster.work_order import WorkOrder, WorkStatus
from relaytrack.pipeline.config.schema import CameraConfig, Config


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

    def groups(self) -> Iterator[tuple[str, list[str]]]:
        """Each order with the cameras that it has at present, orders without any left out."""
        for node, order in self.orders.items():
            names = [camera.name for camera in Config.model_validate_json(order.config).cameras]
            if names:
                yield node, names

    def take_in(self, node: str, camera: CameraConfig) -> None:
        """A camera has become part of an order."""
        config = Config.model_validate_json(self.orders[node].config)
        changed = config.model_copy(update={"cameras": (*config.cameras, camera)}).model_dump_json()
        self.orders[node] = replace(self.orders[node], config=changed)

    def leave_out(self, node: str, cameras: Iterable[str]) -> None:
        """These cameras are no longer part of an order; one of a served site ends with its last camera."""
        order, gone = self.orders.get(node), set(cameras)
        if order is None:
            return
        config = Config.model_validate_json(order.config)
        kept = tuple(camera for camera in config.cameras if camera.name not in gone)
        if not kept and order.served is not None:
            del self.orders[node]
            return
        changed = config.model_copy(update={"cameras": kept}).model_dump_json()
        self.orders[node] = replace(order, config=changed)

    def costs(self) -> dict[str, float]:
        """What its cameras cost, as far as that is known."""
        return {name: cost for status in self.status.values() for name, cost in status.costs.cameras.items()}

    @property
    def behind(self) -> bool:
        """Whether it has too little time for its cameras."""
        return any(status.costs.behind for status in self.status.values())

    def place(self, name: str) -> Place:
        """This program as `balance` sees it."""
        return Place(name, max((status.costs.streams for status in self.status.values()), default=1), self.bound)


def spread(
    members: Sequence[Member],
    now: Mapping[str, Member],
    costs: Mapping[str, float],
    *,
    bind: Mapping[str, str] | None = None,
    fixed: Collection[str] = (),
) -> dict[str, Member]:
    """Who follows which camera from now on; see `balanced`.

    Args:
        members: the programs that are there.
        now: camera -> its program, there or lost.
        costs: as of `balanced`.
        bind: as there.
        fixed: as there.

    Raises:
        ClusterError: no program is left for a camera.
    """
    names = {id(member): str(number) for number, member in enumerate(members)}
    places = [member.place(names[id(member)]) for member in members]
    before = {camera: names.get(id(member), "lost") for camera, member in now.items()}
    found = balanced(places, before, costs, bind=bind, fixed=fixed)
    return {camera: members[int(name)] for camera, name in found.items()}
