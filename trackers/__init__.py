"""Boxes and embeddings of one camera to track ids; tracks of many cameras to identities."""

from relaytrack.trackers.converters import from_dataframe, from_supervision
from relaytrack.trackers.deepsort import DeepSort
from relaytrack.trackers.errors import MissingDependencyError, TimeError, TrackerError, TrackerInputError
from relaytrack.trackers.identities import (
    CameraTracks,
    GroundPlane,
    IdentityAssociator,
    IdentityParams,
    IdentityStep,
    IdentityStore,
    Revision,
    StoreError,
    homography_from_points,
)
from relaytrack.trackers.params import DeepSortParams
from relaytrack.trackers.results import Backfill, TrackResult

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
    "MissingDependencyError",
    "Revision",
    "StoreError",
    "TimeError",
    "TrackResult",
    "TrackerError",
    "TrackerInputError",
    "from_dataframe",
    "from_supervision",
    "homography_from_points",
]
