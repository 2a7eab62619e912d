"""The identities' colours on a node: those that the identity service has given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from relaytrack.pipeline.palette import IdentityColors, Rgb


class NodeColors(IdentityColors):
    """Looks up the colours that the identity service has given to identities.

    Args:
        told: identity -> colour, filled in elsewhere as answers come.
    """

    def __init__(self, told: Mapping[int, Rgb]) -> None:
        super().__init__()
        self._told = told

    def of(self, identity: int) -> Rgb:
        """The identity's RGB colour."""
        return self._told.get(identity) or super().of(identity)

    def see(self, time: float, identities: Iterable[int]) -> None:
        """Who is seen is known to the identity service; nothing is decided here."""
