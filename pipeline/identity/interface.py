"""What the engine asks of an identity service, in this process or far away."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from relaytrack.pipeline.identity.messages import IdentityAnswer, TrackletMessage
from relaytrack.trackers import GroundPlane


@dataclass(frozen=True, slots=True)
class IdentityStatus:
    """How the service is doing.

    Attributes:
        watermark: the newest time seen, seconds on the run's clock; None before the first message.
        messages: messages used; late: by camera, messages that came too late and were left out.
        revisions: corrections made.
    """

    watermark: float | None
    messages: int
    late: Mapping[str, int]
    revisions: int


class IdentityService(Protocol):
    """Gives the tracks of all cameras identities. It may live in another process."""

    def update(self, messages: Sequence[TrackletMessage]) -> IdentityAnswer:
        """Decide one step: at most one message per camera.

        A message that lies more than a fixed time behind the newest, or not after the last of its camera, is left
        out and counted; its tracks keep the identities that they had.
        """

    def calibrate(self, camera: str, plane: GroundPlane | None) -> None:
        """Set a camera's ground plane from now on; None takes it away."""

    def forget(self, identities: Collection[int], tracks: Mapping[tuple[str, int], tuple[float, float]]) -> None:
        """Erase people from memory and from the store.

        Args:
            identities: whom; their tracks must not be given to `update` again.
            tracks: single tracks besides, with the first and last time at which they were seen, seconds on the run's
                clock.

        Raises:
            TrackerError: the store cannot be written.
        """

    def final_identities(self) -> Mapping[tuple[str, int], int]:
        """The identity of every (camera, track id), after all corrections."""

    def status(self) -> IdentityStatus:
        """How the service is doing; may be called from any thread."""

    def close(self) -> None:
        """Let go of the store."""


@runtime_checkable
class TunableService(Protocol):
    """A service whose weights can change while it works."""

    def tune(self, values: Mapping[str, float]) -> None:
        """Go on with other weights; see `IdentityAssociator.tune`."""


class AwaitedAnswer(Protocol):
    """An answer that is on its way."""

    def result(self) -> IdentityAnswer:
        """Wait for it."""


@runtime_checkable
class RemoteIdentityService(IdentityService, Protocol):
    """A service far away: the engine sends later steps while it waits for the answer to an earlier one."""

    def opened(self, rates: Mapping[str, float | None]) -> None:
        """The cameras are open; `rates` are their nominal frame rates, None where one is not known."""

    def submit(self, messages: Sequence[TrackletMessage]) -> AwaitedAnswer:
        """Send one step as `update` does, without waiting for the answer."""

    def no_more(self) -> None:
        """No step follows."""
