"""What an identity rests on: how alike its tracks are, how far the next person is, and who its tracks were before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.types import Floats, Ints, TrackKey

Doubles = NDArray[np.float64]
MOST_TRACKS = 4000
"""Tracks up to which all are compared with all."""
_BLOCK = 256  # tracks that are compared with all at once


@dataclass(frozen=True, slots=True)
class Grounds:
    """What an identity rests on, by its weakest track: the one whose similarity to a stranger comes nearest.

    Attributes:
        state: "new": one track that was never somebody else; "matched": several tracks; "revised": a track of it had
            another identity before.
        similarity: mean cosine of that track to the identity's other tracks; None without such.
        margin: `similarity` - `nearest`; None without either.
        rival: who the most alike track of somebody else belongs to; None where there is nobody else.
        nearest: cosine of the two; None where there is nobody else, and in files of earlier versions.
    """

    state: Literal["new", "matched", "revised"]
    similarity: float | None = None
    margin: float | None = None
    rival: int | None = None
    nearest: float | None = None

    def __post_init__(self) -> None:
        """Refuse what are no grounds, for they may come from a file.

        Raises:
            ValueError: the state is unknown, or a number is not finite.
            TypeError: a number is none.
        """
        if self.state not in ("new", "matched", "revised"):
            raise ValueError(f"{self.state!r} is no state of an identity")
        for value in (self.similarity, self.margin, self.rival, self.nearest):
            if value is not None and not np.isfinite(value):
                raise ValueError("a number that is not finite")

    def sentence(self) -> str:
        """The same in words, for people."""
        words = [{"new": "a single sighting", "matched": "several sightings", "revised": "corrected"}[self.state]]
        if self.similarity is not None:
            words.append(f"similarity {self.similarity:.2f}")
        next_best = self.similarity - self.margin if self.similarity is not None and self.margin is not None else None
        nearest = self.nearest if self.nearest is not None else next_best
        if self.rival is not None and nearest is not None:
            words.append(f"next likely {self.rival} with {nearest:.2f}")
        return ", ".join(words)


@dataclass(frozen=True, slots=True, eq=False)
class _Looks:
    """The looks of N tracks: identities (N,), vectors (N, D) of length 1."""

    ids: Ints
    vectors: Floats

    def compare(self, rows: Ints) -> tuple[Doubles, Doubles, Ints]:
        """Compare some rows (R,) with all.

        Returns:
            Three (R,): mean cosine to the identity's other tracks (NaN without), greatest cosine to a stranger
            (-inf without), and whose that is.
        """
        alike = np.asarray(self.vectors[rows] @ self.vectors.T, np.float64)
        same = self.ids[rows, None] == self.ids
        strange = np.where(same, -np.inf, alike)
        same[np.arange(len(rows)), rows] = False
        fellows = same.sum(axis=1)
        own = np.where(fellows > 0, np.where(same, alike, 0.0).sum(axis=1) / np.maximum(fellows, 1), np.nan)
        return own, strange.max(axis=1), self.ids[strange.argmax(axis=1)]


def grounds_of(
    tracks: Mapping[int, Sequence[tuple[TrackKey, bool]]],
    embeddings: Mapping[TrackKey, Floats],
    only: int | None = None,
) -> dict[int, Grounds]:
    """The grounds of every identity.

    Args:
        tracks: by identity its tracks, and whether each had another identity before.
        embeddings: mean embeddings of tracks, unit vectors (D,); with none, or more than `MOST_TRACKS`, only the
            states are told.
        only: the one identity that is asked about; None: all.
    """
    states: dict[int, Literal["new", "matched", "revised"]] = {
        identity: "revised" if any(former for _, former in own) else "matched" if len(own) > 1 else "new"
        for identity, own in tracks.items()
        if only in (None, identity)
    }
    known = [(identity, key) for identity, own in tracks.items() for key, _ in own if key in embeddings]
    if not known or len(known) > MOST_TRACKS:
        return {identity: Grounds(state) for identity, state in states.items()}
    looks = _Looks(
        np.array([identity for identity, _ in known], np.int64), np.stack([embeddings[key] for _, key in known])
    )
    own, nearest = np.full(len(known), np.nan), np.full(len(known), -np.inf)
    rival = np.zeros(len(known), np.int64)
    asked = np.flatnonzero(np.isin(looks.ids, list(states)))
    for begin in range(0, len(asked), _BLOCK):
        rows = asked[begin : begin + _BLOCK]
        own[rows], nearest[rows], rival[rows] = looks.compare(rows)
    out = {}
    for identity, state in states.items():
        rows = np.flatnonzero(looks.ids == identity)
        if not len(rows):
            out[identity] = Grounds(state)
            continue
        sure = np.where(np.isfinite(own[rows]), own[rows], 0.0) - nearest[rows]
        row = int(rows[sure.argmin()])
        alone, nobody = not np.isfinite(own[row]), not np.isfinite(nearest[row])
        out[identity] = Grounds(
            state,
            None if alone else round(float(own[row]), 3),
            None if alone or nobody else round(float(own[row] - nearest[row]), 3),
            None if nobody else int(rival[row]),
            None if nobody else round(float(nearest[row]), 3),
        )
    return out
