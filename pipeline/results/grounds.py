"""What an identity rests on: how alike its tracks are, how far the next person is, and who its tracks were before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from relaytrack.trackers.identities.types import Floats, TrackKey

MOST_TRACKS = 4000
"""Tracks up to which all are compared with all."""
MOST_FORMER = 20
"""Earlier identities that are kept of a track, the last ones."""


@dataclass(frozen=True, slots=True)
class Former:
    """An identity that a track had before.

    Attributes:
        id: the identity.
        time: seconds of the run's clock at which another one took its place.
        kind: why; see `revised` in `pipeline.events.schema`.
        score: what spoke for the new identity, in points of evidence (above 0 speaks for it); None where it had no
            other track to be compared with, or at the end of the run and by hand.
    """

    id: int
    time: float
    kind: Literal["merge", "split", "final", "manual"]
    score: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no such entry, for it may come from a file.

        Raises:
            ValueError: the kind is unknown.
            TypeError: a number is none.
        """
        if self.kind not in ("merge", "split", "final", "manual"):
            raise ValueError(f"{self.kind!r} is no kind of revision")
        for value in (self.id, self.time, 0.0 if self.score is None else self.score):
            if not np.isfinite(value):
                raise ValueError("a number that is not finite")


@dataclass(frozen=True, slots=True)
class Grounds:
    """What an identity rests on, by its weakest track: the one whose similarity to a stranger comes nearest.

    Attributes:
        state: "new": one track that was never somebody else; "matched": several tracks; "revised": a track of it had
            another identity before.
        similarity: mean cosine of that track to the identity's other tracks; None without such.
        margin: by how much it exceeds the similarity to the most alike track of somebody else; None without either.
        rival: whose track that is; None where there is nobody else.
    """

    state: Literal["new", "matched", "revised"]
    similarity: float | None = None
    margin: float | None = None
    rival: int | None = None

    def __post_init__(self) -> None:
        """Refuse what are no grounds, for they may come from a file.

        Raises:
            ValueError: the state is unknown, or a number is not finite.
            TypeError: a number is none.
        """
        if self.state not in ("new", "matched", "revised"):
            raise ValueError(f"{self.state!r} is no state of an identity")
        for value in (self.similarity, self.margin, self.rival):
            if value is not None and not np.isfinite(value):
                raise ValueError("a number that is not finite")

    def sentence(self) -> str:
        """The same in words, for people."""
        words: list[str] = [self.state]
        if self.similarity is not None:
            words.append(f"similarity {self.similarity:.2f}")
        if self.margin is not None:
            words.append(f"{abs(self.margin):.2f} {'above' if self.margin >= 0 else 'below'} that to {self.rival}")
        return ", ".join(words)


def grounds_of(
    tracks: Mapping[int, Sequence[tuple[TrackKey, bool]]], embeddings: Mapping[TrackKey, Floats]
) -> dict[int, Grounds]:
    """The grounds of every identity.

    Args:
        tracks: by identity its tracks, and whether each had another identity before.
        embeddings: mean embeddings of tracks, unit vectors (D,); with none, or more than `MOST_TRACKS`, only the
            states are told.
    """
    states: dict[int, Literal["new", "matched", "revised"]] = {
        identity: "revised" if any(former for _, former in own) else "matched" if len(own) > 1 else "new"
        for identity, own in tracks.items()
    }
    known = [(identity, key) for identity, own in tracks.items() for key, _ in own if key in embeddings]
    if not known or len(known) > MOST_TRACKS:
        return {identity: Grounds(state) for identity, state in states.items()}
    vectors = np.stack([embeddings[key] for _, key in known])
    alike = np.asarray(vectors @ vectors.T, np.float64)
    ids = np.array([identity for identity, _ in known], np.int64)
    same = ids[:, None] == ids
    np.fill_diagonal(same, val=False)
    fellows = same.sum(axis=1)
    own = np.where(fellows > 0, np.where(same, alike, 0.0).sum(axis=1) / np.maximum(fellows, 1), np.nan)
    strange = np.where(ids[:, None] == ids, -np.inf, alike)
    nearest, rival = strange.max(axis=1), ids[strange.argmax(axis=1)]
    out = {}
    for identity, state in states.items():
        rows = np.flatnonzero(ids == identity)
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
        )
    return out
