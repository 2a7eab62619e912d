"""Global identities: the tracks of all cameras joined into people."""

from trackers.identities.associator import IdentityAssociator
from trackers.identities.ground_plane import GroundPlane, homography_from_points
from trackers.identities.params import IdentityParams
from trackers.identities.store import IdentityStore, StoreError
from trackers.identities.types import CameraTracks, IdentityStep, Revision

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
