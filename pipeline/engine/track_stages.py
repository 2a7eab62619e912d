"""The stage that tracks: one thread, or two where identities come from far away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from relaytrack.pipeline.identity.interface import RemoteIdentityService
from relaytrack.pipeline.records import Observation
from relaytrack.pipeline.runtime.stage_thread import Worker
from relaytrack.pipeline.tracking.multi_camera import MultiCameraTracker, RawStep, SentStep

_AHEAD = 32  # steps that may wait for their identities


def track_workers(multi: MultiCameraTracker, seen: Iterable[Sequence[Observation]]) -> tuple[Worker[Any, Any], ...]:
    """The workers that make steps from observations; the last one gives the `RawStep`s.

    With a `RemoteIdentityService` one thread tracks and sends, and a second one waits for answers, so that a far away
    service costs time but no speed.
    """
    service = multi.identities
    if not isinstance(service, RemoteIdentityService):
        one: Worker[Sequence[Observation], RawStep] = Worker("track", multi.follow, seen)
        return (one,)
    send: Worker[Sequence[Observation], SentStep] = Worker("track", multi.send, _told(seen, service), depth=_AHEAD)
    receive: Worker[SentStep, RawStep] = Worker("identify", multi.receive, send)
    return send, receive


def _told(seen: Iterable[Sequence[Observation]], service: RemoteIdentityService) -> Iterator[Sequence[Observation]]:
    """The same observations; the service is told of their end."""
    yield from seen
    service.no_more()
