"""Corrections by hand around a remote identity service, to which steps are sent ahead of its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relaytrack.pipeline.identity.answers import read_answer
from relaytrack.pipeline.identity.corrections import Corrections, Rows, picked
from relaytrack.pipeline.identity.interface import AwaitedAnswer, IdentityService, RemoteIdentityService
from relaytrack.pipeline.identity.messages import IdentityAnswer, TrackletMessage


def wrapped(corrections: Corrections, inner: IdentityService) -> IdentityService:
    """Put corrections around a local or a remote service."""
    near = corrections.wrap(inner)
    return FarCorrections(near, inner) if isinstance(inner, RemoteIdentityService) else near


class FarCorrections:
    """A `RemoteIdentityService` with corrections on top."""

    def __init__(self, corrections: Corrections, inner: RemoteIdentityService) -> None:
        self._corrections, self._inner = corrections, inner
        self.update, self.calibrate, self.forget = corrections.update, corrections.calibrate, corrections.forget
        self.final_identities = corrections.final_identities
        self.status, self.close = corrections.status, corrections.close

    def opened(self, rates: Mapping[str, float | None]) -> None:
        """See `RemoteIdentityService.opened`."""
        self._inner.opened(rates)

    def submit(self, messages: Sequence[TrackletMessage]) -> AwaitedAnswer:
        """See `RemoteIdentityService.submit`."""
        shown = self._corrections.shown(messages)
        return _Awaited(self._corrections, messages, shown, self._inner.submit(picked(messages, shown)))

    def no_more(self) -> None:
        """See `RemoteIdentityService.no_more`."""
        self._inner.no_more()


class _Awaited:
    """A corrected answer that is on its way."""

    def __init__(
        self,
        corrections: Corrections,
        messages: Sequence[TrackletMessage],
        shown: Sequence[Rows],
        answer: AwaitedAnswer,
    ) -> None:
        self._corrections, self._messages, self._shown, self._answer = corrections, messages, shown, answer

    def result(self) -> IdentityAnswer:
        """Wait for it."""
        counts = [int(rows.sum()) for rows in self._shown]
        answer = read_answer(self._answer.result(), counts, "far away")
        return self._corrections.corrected(self._messages, self._shown, answer)
