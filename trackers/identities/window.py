"""The window: all tracks that are still open to correction, and what their parts of the association share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from relaytrack.trackers.identities.gallery import Candidates, Gallery
from relaytrack.trackers.identities.pairs import PairEvidence
from relaytrack.trackers.identities.params import IdentityParams
from relaytrack.trackers.identities.revision_scores import revision_scores
from relaytrack.trackers.identities.tracklets import TrackletTable
from relaytrack.trackers.identities.types import Floats, Ints, Revision

QUERIES = 100
"""Tracks that query the gallery in one step at most, besides new ones."""
AT_LEAST = 25
"""Tracks that may query the gallery in a step with many new ones."""
SHORTLIST = 0.2
"""Least similarity to a known identity's mean for it to be looked at."""
_CLOSE = -0.5
"""Score from which a known identity is one that a track resembles."""


@dataclass(slots=True)
class Window:
    """What decisions, corrections and closing work on.

    Attributes:
        params: the settings.
        pairs: the evidence about pairs of tracks, with the table of the tracks.
        gallery: identities older than the window.
        now: seconds on the run's clock.
        following: the identity that the next new person gets.
        budget: tracks that may still query the gallery in this step.
        barred: slot -> identities that the track cannot have, because a closed track of theirs was seen beside it.
        asked: slot -> (weight of the track's embeddings at its last query, identities that it resembled then).
    """

    params: IdentityParams
    pairs: PairEvidence
    gallery: Gallery
    now: float = -np.inf
    following: int = 1
    budget: int = QUERIES
    barred: dict[int, set[int]] = field(default_factory=dict)
    asked: dict[int, tuple[float, tuple[int, ...]]] = field(default_factory=dict)

    @property
    def table(self) -> TrackletTable:
        """The tracks, one slot each."""
        return self.pairs.table

    def new_identities(self, count: int) -> int:
        """Reserve `count` identities; the first of them."""
        first = self.following
        self.following += count
        return first

    def note_resembled(self, slots: Ints, found: Candidates, scores: Floats) -> None:
        """Remember which known identities the tracks (N,) resemble; `scores` (K,) are those of `found`."""
        close = scores > _CLOSE
        cuts = np.searchsorted(found.query[close], np.arange(len(slots) + 1)).tolist()
        named = found.identity[close].tolist()
        for row, slot in enumerate(slots.tolist()):
            self.asked[slot] = (float(self.table.weight[slot]), tuple(named[cuts[row] : cuts[row + 1]]))

    def resembled(self, slots: Ints) -> set[int]:
        """Known identities that these tracks resemble; only tracks whose looks have changed query the gallery."""
        weights = self.table.weight
        changed = np.array([weights[slot] > 1.5 * self.asked.get(slot, (0.0, ()))[0] for slot in slots.tolist()], bool)
        asking = slots[changed]
        asking = asking[max(len(asking) - self.budget, 0) :]
        self.budget -= len(asking)
        if len(asking):
            found = self.gallery.query(self.pairs.centred[asking], SHORTLIST, most=4)
            scores = self.pairs.to_known(asking[found.query], found.similarity[:, None])[:, 0]
            self.note_resembled(asking, found, scores)
        every = {name for slot in slots.tolist() for name in self.asked.get(slot, (0.0, ()))[1]}
        return {name for name in every if name in self.gallery}

    def erase(self, slots: Ints, identities: set[int]) -> None:
        """Take tracks and known identities out, with what is remembered of them."""
        for slot in slots.tolist():
            self.barred.pop(slot, None)
            self.asked.pop(slot, None)
        for slot, (weight, names) in self.asked.items():
            self.asked[slot] = (weight, tuple(name for name in names if name not in identities))
        for barred in self.barred.values():
            barred -= identities
        for identity in identities:
            if identity in self.gallery:
                self.gallery.forget(identity)
        self.table.close(slots)

    def revisions(self, slots: Ints, before: Ints) -> list[Revision]:
        """What changed about tracks (N,) that had the identities `before` (N,)."""
        table = self.table
        after = table.identity[slots]
        remaining = set(table.identity[table.used].tolist())
        rows = np.flatnonzero((before != after) & (before > 0))
        scores = revision_scores(self.pairs, slots[rows])
        out = []
        for row, score in zip(rows.tolist(), scores, strict=True):
            camera, track = table.key(int(slots[row]))
            old, new = int(before[row]), int(after[row])
            parted = old in remaining or old in self.gallery
            kind: Literal["merge", "split"] = "split" if parted else "merge"
            out.append(Revision(kind, old, new, camera, track, float(table.start[slots[row]]), score))
        return out
