"""Boxes and embeddings of one camera to track ids; tracks of many cameras to identities."""

from trackers.deepsort import DeepSort
from trackers.errors import InputError, TimeError, TrackerError
from trackers.identities import (
    CameraTracks,
    GroundPlane,
    IdentityAssociator,
    IdentityParams,
    IdentityStep,
    IdentityStore,
    Revision,
    homography_from_points,
)
from trackers.params import DeepSortParams
from trackers.results import Backfill, TrackResult

__all__ = [
    "Backfill",
    "CameraTracks",
    "DeepSort",
    "DeepSortParams",
    "GroundPlane",
    "IdentityAssociator",
    "IdentityParams",
    "IdentityStep",
    "IdentityStore",
    "InputError",
    "Revision",
    "TimeError",
    "TrackResult",
    "TrackerError",
    "homography_from_points",
]
