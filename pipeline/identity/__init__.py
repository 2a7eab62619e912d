"""Identities over all cameras, behind one interface that may live in another process."""

from relaytrack.pipeline.identity.interface import IdentityService, IdentityStatus
from relaytrack.pipeline.identity.messages import IdentityAnswer, TrackletMessage
from relaytrack.pipeline.identity.service import LocalIdentityService

__all__ = ["IdentityAnswer", "IdentityService", "IdentityStatus", "LocalIdentityService", "TrackletMessage"]
