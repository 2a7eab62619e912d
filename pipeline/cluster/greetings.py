"""What nodes and the identity service tell each other besides tracks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from relaytrack.pipeline.errors import RelayTrackError


class GapError(RelayTrackError):
    """Batches are missing before this one: say hello, and send again what the answer asks for."""


@dataclass(frozen=True, slots=True)
class CameraHello:
    """What a node says about a camera.

    Attributes:
        live: whether it is live; fps: its nominal rate, None where that is not known.
        first: the earliest batch that the node can still send; None where it begins.
    """

    live: bool
    fps: float | None = None
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to a hello.

    Attributes:
        token: of this identity service.
        seen: by camera, the last batch that was decided; later ones are to be sent.
        first_ids: by camera, what is to be added to the track ids of a live camera that has moved.
    """

    token: int
    seen: Mapping[str, int]
    first_ids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DeskStatus:
    """How the service is doing.

    Attributes:
        token: of its lease.
        sets, batches, tracks: decided since it began; repeated: batches that came again.
        late: by camera, batches that came after their set was decided; lost: that nobody can send any more.
        waiting: batches that wait for others.
        nodes: the node of each camera.
        seen: the last batch of each camera.
        checkpoint_bytes: size of the last checkpoint.
        seconds: CPU time spent on deciding.
    """

    token: int
    sets: int
    batches: int
    tracks: int
    repeated: int
    late: Mapping[str, int]
    lost: Mapping[str, int]
    waiting: int
    nodes: Mapping[str, str | None]
    seen: Mapping[str, int]
    checkpoint_bytes: int
    seconds: float
