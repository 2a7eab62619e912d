"""What a machine of a cluster is told to do, and what it tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from relaytrack.pipeline.cluster.camera_costs import CameraCosts
from relaytrack.pipeline.runtime.snapshot import RunState, Snapshot
from relaytrack.pipeline.runtime.summary import CameraSummary
from relaytrack.pipeline.share.keeper import Shared


@dataclass(frozen=True, slots=True)
class Served:
    """What work for a site that is served needs besides.

    Attributes:
        merged: number -> the number that it goes by; cannot_link: pairs of numbers that are two people.
    """

    merged: Mapping[int, int] = field(default_factory=dict)
    cannot_link: frozenset[frozenset[int]] = frozenset()


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """Which cameras a machine is to follow.

    Attributes:
        node: the name of this piece of work, unique in the run.
        order: a number higher than that of every order before; see `claims`.
        config: the configuration with these cameras only, as JSON.
        folder: where the results go on that machine; None leaves none. Work for a site that is served makes a folder
            of its own below it, named by its moment.
        zero: seconds since 1970 at the run's time 0, on the identity service's clock.
        served: the work goes on until it is stopped, and hands its steps on; None ends with its recordings.
    """

    node: str
    order: int
    config: str
    folder: str | None
    zero: float
    served: Served | None = None


@dataclass(frozen=True, slots=True)
class WorkStatus:
    """How a piece of work is doing.

    Attributes:
        state: of its run; error: what ended it.
        cameras: figures of each camera.
        seconds: of following, and with the final pass.
        bytes: sent to the identity service; tracks: persons and frames in them.
        cut: seconds during which the identity service was out of reach.
        skew: seconds by which the machine's clock is ahead.
        costs: what its present cameras cost.
        notes: warnings since the last time.
        shared: how much of its results is at the shared place; None where there is none.
        snapshot: the run at present without the last frames; only of work for a site that is served.
    """

    node: str
    state: RunState
    error: str | None
    cameras: dict[str, CameraSummary]
    seconds: tuple[float, float]
    bytes: int
    tracks: int
    cut: float
    skew: float
    costs: CameraCosts = field(default_factory=CameraCosts)
    notes: tuple[str, ...] = field(default=())
    shared: Shared | None = None
    snapshot: Snapshot | None = None
