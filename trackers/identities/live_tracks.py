"""What is needed of a track only while it is in view: its bank of embeddings.

A window holds thousands of tracks, of which a few are in view. Each of these has a seat here; the seat of a track that
was not seen for a minute goes to the next one, so that memory follows the people in view and not the window.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.growing import enlarged, extended
from relaytrack.trackers.identities.types import Floats, Ints

Doubles = NDArray[np.float64]
NOVEL = 0.85
"""Cosine similarity below which an embedding opens a new entry of a track's bank."""
REST = 60.0
"""Seconds without an update after which a track's seat may be given away."""
_ROWS = 256  # tracks worked on together: their banks stay in the processor's cache
_STEP = 32  # seats are made by so many, or by a quarter of those that are there


class LiveTracks:
    """Seats of the tracks seen lately (S seats, K bank entries, D embedding size).

    Args:
        entries: K, embeddings that differ clearly, kept per track.
    """

    def __init__(self, entries: int) -> None:
        self._seat = np.zeros(0, np.int64)  # by slot of the table; -1: none
        self._slot = np.zeros(0, np.int64)  # by seat; -1: free
        self._last = np.zeros(0)
        self._bank = np.zeros((0, entries, 0), np.float32)  # sums of weighted embeddings
        self._held = np.zeros((0, entries), np.float32)  # their weights

    def __getstate__(self) -> dict[str, Any]:
        """What a checkpoint keeps: of the banks only the entries that are held."""
        return vars(self) | {"_bank": (self._bank.shape, self._bank[self._held > 0])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        shape, entries = state["_bank"]
        vars(self).update(state)
        self._bank = np.zeros(shape, np.float32)
        self._bank[self._held > 0] = entries

    def __len__(self) -> int:
        """Seats, free ones too."""
        return len(self._slot)

    def seat(self, slots: Ints, time: Doubles, size: int) -> Ints:
        """The seats (N,) of tracks that were updated now.

        Args:
            slots: (N,) the tracks.
            time: (N,) seconds.
            size: slots of the table.
        """
        if size > len(self._seat):
            self._seat = enlarged(self._seat, size, -1)
        seats = self._seat[slots]
        self._last[seats[seats >= 0]] = time[seats >= 0]
        if (seats < 0).any():
            self._take(slots[seats < 0], float(time.min()))
            seats = self._seat[slots]
            self._last[seats] = time
        return seats

    def leave(self, slots: Ints) -> None:
        """Free the seats of tracks (N,) and overwrite what they held."""
        slots = slots[slots < len(self._seat)]
        seats = self._seat[slots]
        self._free(seats[seats >= 0])

    def widen(self, size: int) -> None:
        """Set the embeddings' size D; banks are empty then."""
        self._bank = np.zeros((*self._held.shape, size), np.float32)

    def recall(self, seats: Ints, features: Floats, weight: Floats) -> None:
        """Where a track's seat went to another one meanwhile, begin its bank with what the table knows.

        Args:
            seats: (N,) the tracks.
            features: (N, D) their mean embeddings.
            weight: (N,) the weights of these; 0 where there is none.
        """
        back = (weight > 0) & ~self._held[seats].any(axis=1)
        self._bank[seats[back], 0] = weight[back, None] * features[back]
        self._held[seats[back], 0] = weight[back]

    def look(self, seats: Ints, weight: Floats, crops: Floats) -> Floats:
        """Take an embedding of each of these tracks.

        Args:
            seats: (N,) the tracks.
            weight: (N,) how much each embedding counts.
            crops: (N, D) embeddings.

        Returns:
            (N, D) the tracks' mean embeddings, L2-normalised.
        """
        parts = range(0, len(seats), _ROWS)
        if len(parts) > 1:
            some = [slice(begin, begin + _ROWS) for begin in parts]
            return np.concatenate([self.look(seats[part], weight[part], crops[part]) for part in some])
        out = np.empty_like(crops)
        first = ~self._held[seats].any(axis=1)
        if first.any():
            begun = seats[first]
            self._bank[begun, 0] = weight[first, None] * crops[first]
            self._held[begun, 0] = weight[first]
            length = np.linalg.norm(crops[first], axis=1, keepdims=True)
            out[first] = crops[first] / np.maximum(length, 1e-12)
            seats, weight, crops = seats[~first], weight[~first], crops[~first]
        if len(seats) == 0:
            return out
        held = self._held[seats]
        row, place = np.nonzero(held > 0)  # most tracks have one entry
        bank = self._bank[seats[row], place]
        length = np.ones_like(held)
        length[row, place] = np.maximum(np.linalg.norm(bank, axis=1), 1e-12)
        alike = np.full(held.shape, -2.0, np.float32)
        alike[row, place] = np.einsum("pd,pd->p", bank, crops[row]) / length[row, place]
        entry = alike.argmax(axis=1)
        empty = held == 0
        novel = (alike.max(axis=1) < NOVEL) & empty.any(axis=1)
        entry[novel] = empty[novel].argmax(axis=1)
        self._bank[seats, entry] += weight[:, None] * crops
        self._held[seats, entry] += weight
        held, each = self._held[seats], np.arange(len(seats))
        changed = self._bank[seats, entry]
        length[each, entry] = np.maximum(np.linalg.norm(changed, axis=1), 1e-12)
        share = np.sqrt(held) / length
        mean = changed * share[each, entry, None]
        several = np.flatnonzero(np.count_nonzero(held, axis=1) > 1)
        if len(several):
            mean[several] = np.einsum("nkd,nk->nd", self._bank[seats[several]], share[several])
        out[~first] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
        return out

    def _take(self, slots: Ints, time: float) -> None:
        """Give tracks (N,) free seats."""
        free = np.flatnonzero(self._slot < 0)
        if len(free) < len(slots):
            self._free(np.flatnonzero((self._slot >= 0) & (self._last < time - REST)))
            free = np.flatnonzero(self._slot < 0)
        if len(free) < len(slots):
            self._grow(len(slots) - len(free))
            free = np.flatnonzero(self._slot < 0)
        seats = free[: len(slots)]
        self._slot[seats], self._seat[slots] = slots, seats

    def _free(self, seats: Ints) -> None:
        self._seat[self._slot[seats]] = -1
        self._slot[seats] = -1
        self._bank[seats] = self._held[seats] = 0

    def _grow(self, more: int) -> None:
        size = len(self._slot) + max(more, _STEP, len(self._slot) // 4)
        self._slot, self._last = enlarged(self._slot, size, -1), enlarged(self._last, size)
        self._bank, self._held = extended(self._bank, size), enlarged(self._held, size)
