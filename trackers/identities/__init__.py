"""Global identities: the tracks of all cameras joined into people."""

from relaytrack.trackers.identities.associator import IdentityAssociator
from relaytrack.trackers.identities.ground_plane import GroundPlane, homography_from_points
from relaytrack.trackers.identities.params import IdentityParams
from relaytrack.trackers.identities.store import IdentityStore
from relaytrack.trackers.identities.store_file import StoreError
from relaytrack.trackers.identities.types import CameraTracks, IdentityStep, Revision

__all__ = [
    "CameraTracks",
    "GroundPlane",
    "IdentityAssociator",
    "IdentityParams",
    "IdentityStep",
    "IdentityStore",
    "Revision",
    "StoreError",
    "homography_from_points",
]
