"""Which node follows which camera: one at a time, the newest order wins."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from relaytrack.pipeline.cluster.greetings import GapError
from relaytrack.pipeline.errors import RelayTrackError


class ClaimError(RelayTrackError):
    """A camera is followed by another node."""


class Claims:
    """Cameras and their nodes.

    Whoever hands out the cameras gives each order a number that grows. A node with a newer order takes a camera over;
    one with the same or an older order than the node that has it is refused.
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, int]] = {}
        self._of: dict[str, set[str]] = {}  # by node
        self._free: set[str] = set()  # whose node has let them go
        self._busy = threading.Lock()

    def take(self, node: str, order: int, cameras: Iterable[str]) -> set[str]:
        """Claim cameras, all or none.

        Returns:
            The nodes that have lost their last camera by this.

        Raises:
            ClaimError: naming the camera and the node that has it.
        """
        wanted = list(cameras)
        with self._busy:
            for camera in wanted:
                self._check(node, order, camera)
            losers = {self._held[camera][0] for camera in wanted if camera in self._held} - {node}
            for loser in losers:
                self._of[loser] -= set(wanted)
            self._of.setdefault(node, set()).update(wanted)
            self._held |= dict.fromkeys(wanted, (node, order))
            self._free -= set(wanted)
            gone = {loser for loser in losers if not self._of[loser]}
            for loser in gone:
                del self._of[loser]
            return gone

    def release(self, cameras: Iterable[str]) -> None:
        """Their node has let these cameras go: the next one may have an older order, too."""
        with self._busy:
            self._free |= set(cameras)

    def check(self, node: str, order: int, camera: str) -> None:
        """Refuse what comes of a camera from anybody but its node.

        Raises:
            ClaimError: another node has it.
            GapError: nobody has it, as after the identity service was started again: the node says hello first.
        """
        with self._busy:
            if self._held.get(camera) != (node, order):
                self._check(node, order, camera)
                raise GapError(f"camera {camera!r}: node {node} has not claimed it")

    def _check(self, node: str, order: int, camera: str) -> None:
        if camera in self._free:
            return
        holder, newest = self._held.get(camera, (node, order))
        if (holder != node and order <= newest) or order < newest:
            raise ClaimError(f"camera {camera!r}: node {holder} follows it already; node {node} is refused")

    def holder(self, camera: str) -> str | None:
        """The node that follows a camera."""
        with self._busy:
            return self._held.get(camera, (None, 0))[0]

    def of(self, node: str) -> frozenset[str]:
        """The cameras that a node follows."""
        with self._busy:
            return frozenset(self._of.get(node, ()))
