"""The present of a site on a cluster, put together from what its programs tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from relaytrack.pipeline.cluster.greetings import DeskStatus
from relaytrack.pipeline.cluster.member import Member
from relaytrack.pipeline.cluster.site_steps import SiteSteps
from relaytrack.pipeline.identity.interface import IdentityStatus
from relaytrack.pipeline.runtime.sink_thread import SinkStatus
from relaytrack.pipeline.runtime.snapshot import CameraStatus, RunState, Snapshot

_RELAY = "steps"  # the sink that hands steps on


def site_snapshot(
    state: RunState,
    error: str | None,
    zero: float,
    *,
    cameras: Collection[str],
    members: Sequence[Member],
    steps: SiteSteps,
    sinks: Mapping[str, SinkStatus],
    desk: DeskStatus | None,
) -> Snapshot:
    """A snapshot as of one engine.

    Args:
        state: of the site's run.
        error: what ended it.
        zero: seconds since 1970 at the run's time 0.
        cameras: the present ones.
        members: the programs that follow them.
        steps: what came of them.
        sinks: this machine's receivers.
        desk: the identity service.
    """
    found: dict[str, CameraStatus] = {}
    receivers = dict(sinks)
    seconds, counts = defaultdict[str, float](float), defaultdict[str, float](float)
    zones: dict[str, Mapping[str, Mapping[str, int]]] = {}
    revisions = 0
    for member in members:
        for node, status in member.status.items():
            if status.snapshot is None:
                continue
            where = f"{node} on {member.machine.address}"
            for name, camera in status.snapshot.cameras.items():
                found[name] = replace(camera, tracks=steps.present.last(name), node=where)
            for name, sink in status.snapshot.sinks.items():
                if name != _RELAY:
                    receivers[f"{name}, {where}"] = sink
            for stage, figures in status.snapshot.stages.items():
                seconds[stage] += figures["seconds"]
                counts[stage] += figures["count"]
            zones |= status.snapshot.zones
            revisions += 0 if status.snapshot.service is None else status.snapshot.service.revisions
    return Snapshot(
        state=state,
        error=error,
        time=steps.present.time,
        zero=zero,
        cameras={name: found[name] for name in cameras if name in found},
        present=steps.present.identities(cameras),
        identities=steps.summary.identity_count,
        sinks=receivers,
        service=None if desk is None else IdentityStatus(None, desk.batches, desk.late, revisions),
        stages={stage: {"seconds": seconds[stage], "count": counts[stage]} for stage in counts},
        zones=zones,
    )
