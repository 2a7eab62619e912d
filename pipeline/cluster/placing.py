"""Which machine follows which cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import ConfigError


@dataclass(slots=True)
class Group:
    """Cameras that one program follows.

    Attributes:
        cameras: their names; bound: the resource that the machine must have, "" for any.
        cost: what they cost together.
    """

    bound: str
    cameras: list[str] = field(default_factory=list)
    cost: float = 0.0


def groups_of(
    cameras: Sequence[CameraConfig], programs: int, bind: Mapping[str, str], cost: Mapping[str, float] | None = None
) -> list[Group]:
    """Spread cameras over programs so that the most loaded one has as little as possible (largest first).

    Args:
        cameras: all of the site.
        programs: how many there are; at least one more for each resource that cameras are bound to.
        bind: camera -> resource of its machine.
        cost: by camera, what it costs; cameras without count as one.

    Raises:
        ConfigError: a camera that is bound is not there.
    """
    names = [camera.name for camera in cameras]
    for name in bind:
        if name not in names:
            raise ConfigError(f"cluster.bind: there is no camera {name!r}")
    found = [Group(resource) for resource in dict.fromkeys(bind.values())]
    free = [name for name in names if name not in bind]
    found += [Group("") for _ in range(min(len(free), max(1, programs - len(found))) if free else 0)]
    price = {name: (cost or {}).get(name, 1.0) for name in names}
    for name in sorted(names, key=lambda one: (-price[one], names.index(one))):
        wanted = bind.get(name, "")
        group = min((one for one in found if one.bound == wanted), key=lambda one: one.cost)
        group.cameras.append(name)
        group.cost += price[name]
    for group in found:
        group.cameras.sort(key=names.index)
    return found
