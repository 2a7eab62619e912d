"""Which tracks' embeddings are sent: those of new tracks, of tracks that are decided again, and a steady share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from relaytrack.pipeline.identity.messages import TrackletMessage
from relaytrack.pipeline.records import Floats

NEW = 3
"""First embeddings of a track, all sent: the association decides at once."""
SHARE = 0.16
"""Of a track's frames that send an embedding, after that."""
DUE = (1.0, 4.0)
"""Seconds after its beginning at which the association decides a lone track again."""
UNLIKE = 0.85
"""Cosine to the last one sent below which a track is doubtful: it looks different now."""
_FORGET = 60.0  # seconds after which a track that is not seen is forgotten


@dataclass(slots=True)
class _Track:
    begun: float
    last: float
    sent: int = 0
    credit: float = 0.0
    due: int = 0
    vector: Floats | None = None


class AskedEmbeddings:
    """Chooses, message by message, for one camera."""

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}

    def choose(self, message: TrackletMessage) -> TrackletMessage:
        """The message with a row of NaN for every embedding that is not asked for."""
        now, keep = message.frame.time, np.zeros(len(message.ids), bool)
        known = np.asarray(np.isfinite(message.embeddings).all(axis=1) & (message.embeddings.shape[1] > 0), bool)
        for row, number in enumerate(message.ids.tolist()):
            track = self._tracks.setdefault(number, _Track(now, now))
            track.last = now
            track.credit = min(1.0, track.credit + SHARE)
            if known[row]:
                keep[row] = self._asked(track, now, message.embeddings[row])
        if len(self._tracks) > 4 * len(message.ids) + 64:
            self._tracks = {key: one for key, one in self._tracks.items() if now - one.last < _FORGET}
        vectors = np.where(keep[:, None], message.embeddings, np.float32(np.nan))
        return replace(message, embeddings=vectors)

    @staticmethod
    def _asked(track: _Track, now: float, vector: Floats) -> bool:
        due = track.due < len(DUE) and now - track.begun >= DUE[track.due]
        doubtful = track.vector is not None and track.credit >= 0.3 and float(track.vector @ vector) < UNLIKE
        if not (track.sent < NEW or due or doubtful or track.credit >= 1.0 - 1e-9):
            return False
        track.due += due
        track.sent += 1
        track.credit = 0.0
        track.vector = vector
        return True
