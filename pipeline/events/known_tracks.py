"""The tracks that a run has seen so far: what an identity rests on at the moment when an event tells it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.events.former import MOST_FORMER, Former
from relaytrack.pipeline.events.schema import FormerIdentity, IdentityGrounds, State
from relaytrack.pipeline.records import Floats, FrameTracks, Ints
from relaytrack.trackers.identities.types import TrackKey

MOST = 2_000
"""Tracks that are remembered; the ones seen longest ago go first."""


@dataclass(frozen=True, slots=True, eq=False)
class EarlierTrack:
    """A track of an earlier start.

    Attributes:
        camera, identity: where, and who.
        look: its mean embedding, (D,) L2-normalised; None where there is none.
    """

    camera: str
    identity: int
    look: Floats | None = None


class KnownTracks:
    """Mean embeddings and earlier identities of the latest tracks, one row each; all rows are made at the start.

    Args:
        most: tracks that are remembered.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._row: OrderedDict[TrackKey, int] = OrderedDict()  # seen longest ago first
        self._free = list(range(most - 1, -1, -1))
        self._former: dict[TrackKey, tuple[Former, ...]] = {}  # a quarter of what the events' own records take
        self._camera = [""] * most
        self._identity: Ints = np.zeros(most, np.int64)
        self._used: NDArray[np.bool_] = np.zeros(most, bool)
        self._revised: NDArray[np.bool_] = np.zeros(most, bool)
        self._sum: Floats = np.zeros((most, 0), np.float32)
        self._norm: Floats = np.zeros(most, np.float32)  # 0: no embedding yet
        self._earlier = 0

    def __len__(self) -> int:
        return len(self._row)

    def recall(self, tracks: Iterable[EarlierTrack]) -> None:
        """Take up tracks of earlier starts, the oldest first."""
        for track in tracks:
            self._earlier -= 1  # no camera gives such a track id
            row = self._open((track.camera, self._earlier), track.identity)
            if track.look is not None:
                self._fit(len(track.look))
                self._sum[row], self._norm[row] = track.look, 1.0

    def see(self, tracks: FrameTracks) -> None:
        """Take note of a frame's tracks, their identities and embeddings."""
        embeddings = tracks.embeddings
        known = np.isfinite(embeddings.sum(axis=1)) if embeddings.size else np.zeros(len(tracks), bool)
        if known.any():
            self._fit(embeddings.shape[1])
        rows = np.empty(len(tracks), np.int64)
        for place, (track, identity) in enumerate(zip(tracks.ids.tolist(), tracks.global_ids.tolist(), strict=True)):
            rows[place] = self._open((tracks.frame.camera, track), identity)
        chosen = rows[known]
        if len(chosen):
            self._sum[chosen] += embeddings[known]
            self._norm[chosen] = np.linalg.norm(self._sum[chosen], axis=1)

    def revise(self, key: TrackKey, former: Former, identity: int) -> None:
        """A track has another identity from now on; `former` is the one that it had."""
        row = self._row.get(key)
        if row is None:
            return
        self._identity[row], self._revised[row] = identity, True
        self._former[key] = (*self._former.get(key, ()), former)[-MOST_FORMER:]

    def former(self, key: TrackKey) -> tuple[FormerIdentity, ...]:
        """The identities that a track had before, in the order of the corrections."""
        return tuple(
            FormerIdentity(id=one.id, time=one.time, kind=one.kind, score=one.score)
            for one in self._former.get(key, ())
        )

    def grounds(self, key: TrackKey) -> IdentityGrounds:
        """What the identity of a track that was seen rests on; as of `pipeline.results.grounds`."""
        own = self._row[key]
        identity = self._identity[own]
        others = self._used.copy()
        others[own] = False
        same = others & (self._identity == identity)
        fellows = np.flatnonzero(same)
        revised = bool(self._revised[own] or self._revised[fellows].any())
        state: State = "revised" if revised else "matched" if len(fellows) else "new"
        similarity: float | None = None
        nearest: float | None = None
        rival: int | None = None
        if self._norm[own] > 0:
            look = self._sum[own] / self._norm[own]
            alike, strange = same & (self._norm > 0), np.flatnonzero(others & ~same & (self._norm > 0))
            if alike.any():
                similarity = round(float((self._sum[alike] @ look / self._norm[alike]).mean()), 3)
            if len(strange):
                values = self._sum[strange] @ look / self._norm[strange]
                best = int(values.argmax())
                nearest, rival = round(float(values[best]), 3), int(self._identity[strange[best]])
        return IdentityGrounds(
            state=state,
            similarity=similarity,
            margin=None if similarity is None or nearest is None else round(similarity - nearest, 3),
            rival=rival,
            nearest=nearest,
            cameras=tuple(sorted({self._camera[row] for row in fellows.tolist()})),
        )

    def forget(self, identity: int, tracks: Collection[TrackKey]) -> None:
        """Erase a person's tracks, and those given besides."""
        gone = [key for key, row in self._row.items() if self._identity[row] == identity or key in tracks]
        for key in gone:
            self._close(key)
        for key, former in self._former.items():
            self._former[key] = tuple(one for one in former if one.id != identity)

    def _open(self, key: TrackKey, identity: int) -> int:
        """The row of a track, a new one where it has none."""
        row = self._row.get(key)
        if row is None:
            if len(self._row) >= self._most:
                self._close(next(iter(self._row)))
            row = self._row[key] = self._free.pop()
            self._camera[row], self._used[row], self._revised[row] = key[0], True, False
        self._row.move_to_end(key)
        self._identity[row] = identity
        return row

    def _close(self, key: TrackKey) -> None:
        row = self._row.pop(key)
        self._former.pop(key, None)
        self._sum[row] = self._norm[row] = 0
        self._used[row] = False
        self._free.append(row)

    def _fit(self, width: int) -> None:
        """Take embeddings of a size; those of another size, as of earlier weights, go."""
        if self._sum.shape[1] != width:
            self._sum = np.full((self._most, width), 0.0, np.float32)
            self._norm[:] = 0
