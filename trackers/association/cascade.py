"""DeepSORT's own association: a cascade by time since update, then IoU (Wojke et al., ICIP 2017, section 2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers import boxes
from relaytrack.trackers.association.matches import Matches, Rows
from relaytrack.trackers.detections import CheckedDetections
from relaytrack.trackers.motion.kalman import squared_mahalanobis
from relaytrack.trackers.params import DeepSortParams
from relaytrack.trackers.rows import where
from relaytrack.trackers.state import Tracks


class CascadeAssociation:
    """The matching cascade of the paper's listing 1.

    Confirmed tracks claim detections by appearance in the order of how long they are unseen, each pair inside
    the gate of the Mahalanobis distance; then tracks that are tentative or were seen in the last frame claim the
    rest by IoU.
    """

    def __init__(self, params: DeepSortParams) -> None:
        self.params = params

    def match(self, tracks: Tracks, found: CheckedDetections, clock: float) -> tuple[Rows, Rows]:
        """Rows of tracks and, at the same place, the detections they are."""
        p = self.params
        clear = found.scores >= p.track_high_thresh
        confirmed = tracks.ids > 0
        matches = Matches(len(tracks), len(found))
        if tracks.memory is not None and found.embedded.any():
            possible = squared_mahalanobis(tracks.motion, found.xyah) <= p.gate
            possible &= clear & found.embedded & (confirmed & tracks.memory.known)[:, None]
            closeness = tracks.memory.cosines(found.embeddings) - (1.0 - p.max_cosine_distance)
            closeness[~possible] = 0.0
            for misses in np.unique(tracks.misses[possible.any(axis=1)]):
                rows, columns = matches.free_tracks(tracks.misses == misses), matches.free_detections(clear)
                matches.round(closeness[rows[:, None], columns], rows, columns)
        rows = matches.free_tracks(~confirmed | (tracks.misses == 1))
        columns = matches.free_detections(clear)
        overlap = boxes.iou(tracks.xyxy[rows], found.xyxy[columns])
        matches.round(overlap - (1.0 - p.max_iou_distance), rows, columns)
        return matches.pairs()

    def births(
        self, tracks: Tracks, found: CheckedDetections, free: NDArray[np.bool_]
    ) -> tuple[Rows, NDArray[np.float64], NDArray[np.bool_]]:
        """Every free detection above the threshold starts a track; each has to be confirmed by all its hits."""
        picks = where(free & (found.scores >= self.params.new_track_thresh))
        return picks, np.ones(len(picks)), np.ones(len(picks), bool)

    def learn(self, tracks: Tracks, rows: Rows, found: CheckedDetections, picks: Rows) -> None:
        """Remember every embedding."""
        if tracks.memory is not None and found.embedded.any():
            clear = found.embedded[picks]
            rows, picks = rows[clear], picks[clear]
            tracks.memory.learn(rows, found.embeddings[picks])
