"""Boxes and embeddings of one camera to track ids; tracks of many cameras to identities."""

from trackers.deepsort import DeepSort
from trackers.errors import InputError, TimeError, TrackerError
from trackers.params import DeepSortParams
from trackers.results import Backfill, TrackResult

__all__ = [
    "Backfill",
    "DeepSort",
    "DeepSortParams",
    "InputError",
    "TimeError",
    "TrackResult",
    "TrackerError",
]
