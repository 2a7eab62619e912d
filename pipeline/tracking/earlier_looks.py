"""Embeddings from before a track was confirmed.

A track may be confirmed by a frame in which it was not embedded. The identities then know it by the newest embedding
that it had before; without one it would look like nobody and get a new identity.
"""

from __future__ import annotations

import numpy as np

from relaytrack.pipeline.records import Floats, Ints
from relaytrack.pipeline.tracking.recent_frames import RecentFrames
from relaytrack.trackers import Backfill

_REMEMBERED = 16  # frames


class EarlierLooks:
    """The embeddings of one camera's last frames."""

    def __init__(self) -> None:
        self._frames: RecentFrames[Floats] = RecentFrames(_REMEMBERED)

    def saw(self, embeddings: Floats) -> None:
        """Remember the embeddings (N, D) of the detections that the tracker was just given; NaN where there is none."""
        self._frames.add(embeddings)

    def fill(self, ids: Ints, embeddings: Floats, found: Backfill) -> None:
        """Give newly confirmed tracks that lack an embedding their newest earlier one.

        Args:
            ids: (M,) the tracker's ids of this frame.
            embeddings: (M, D) of these tracks, filled in place.
            found: what these tracks were before, oldest frame first.
        """
        if embeddings.shape[1] == 0 or len(found) == 0:
            return
        lacking = {int(ids[row]): row for row in np.flatnonzero(np.isnan(embeddings[:, 0])).tolist()}
        for at in range(len(found) - 1, -1, -1):
            row, frame = lacking.get(int(found.ids[at])), self._frames.get(int(found.frames[at]))
            if row is None or frame is None or frame.shape[1] != embeddings.shape[1]:
                continue
            known = frame[found.indices[at]]
            if np.isfinite(known[0]):
                embeddings[row] = known
                del lacking[int(ids[row])]
