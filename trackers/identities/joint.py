"""The association of identities: when tracks are decided, corrected and closed. The modules beside this one say how.

`decisions` gives new tracks identities, `revisions` corrects those of the window, `keeping` stores them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from relaytrack.trackers.identities.clashes import part_clashes
from relaytrack.trackers.identities.closed_tracks import ClosedTracks
from relaytrack.trackers.identities.decisions import decide, decide_again
from relaytrack.trackers.identities.due_tracks import DueTracks, put_down, take_due, without
from relaytrack.trackers.identities.equal_pairs import equal_pairs
from relaytrack.trackers.identities.gallery import Gallery
from relaytrack.trackers.identities.ground_plane import GroundPlane
from relaytrack.trackers.identities.keeping import WindowKeeper
from relaytrack.trackers.identities.pairs import PairEvidence
from relaytrack.trackers.identities.params import IdentityParams
from relaytrack.trackers.identities.revisions import revise
from relaytrack.trackers.identities.slices import Slices, finish
from relaytrack.trackers.identities.store import IdentityStore
from relaytrack.trackers.identities.switch_detector import TrackParts
from relaytrack.trackers.identities.types import CameraTracks, Floats, IdentityStep, Ints, Revision, TrackKey
from relaytrack.trackers.identities.window import AT_LEAST, QUERIES, Window

LIVE = 5.0
"""Seconds for which a track that was not updated still counts as live."""
GROWTH = 16
"""A correction is due when one track in this many is new (the cost of a correction grows as the square)."""
CLOSED = 200
"""Tracks that are closed in one step at most."""
IDLE = 10.0
LARGE = 250
"""Without new tracks, corrections are `IDLE` times rarer, and rarer still from `LARGE` tracks on."""


class JointAssociator:
    """Decides new tracks jointly at once and corrects all tracks in the window now and then.

    Tracks in the window are free: each correction groups them anew (average linkage under constraints) and
    gives each group the identity that most of its frames had. Tracks that leave the window keep their
    identity for ever; a few of their embeddings stay in the gallery to recognise the person again.
    """

    def __init__(
        self,
        params: IdentityParams,
        calibrations: Mapping[str, GroundPlane],
        store: IdentityStore | None = None,
    ) -> None:
        pairs = PairEvidence(params, calibrations)
        self._params = params
        self._pairs = pairs
        self._table = pairs.table
        self._window = Window(params, pairs, Gallery(params.gallery, params.max_identities))
        self._keeper = None if store is None else WindowKeeper(store, self._window)
        self._closed = ClosedTracks(params.max_tracks)
        self._due: DueTracks = []
        self._revised = -np.inf
        self._fresh = 0
        self._parts = TrackParts()
        self._nodes = 0  # of the last correction
        self._leaving = np.zeros(0, np.int64)  # slots of tracks that are closed in the next steps
        self._sealing = False
        self._correction: Slices[tuple[list[Revision], int]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Everything but a correction that is not done yet."""
        return {**vars(self), "_correction": None}

    @property
    def correcting(self) -> bool:
        """Whether a correction is spread over several steps and not done yet."""
        return self._correction is not None

    def update(self, views: Sequence[CameraTracks]) -> IdentityStep:
        """Decide one time step; see `IdentityAssociator.update`."""
        window = self._window
        if self._parts:
            views = [replace(view, ids=self._parts.rename(view.camera, view.ids)) for view in views]
        seen, fresh = self._pairs.observe(views)
        window.now = max([window.now, *(view.time for view in views)])
        new = np.concatenate(fresh) if fresh else np.zeros(0, np.int64)
        window.budget = max(QUERIES - len(new), AT_LEAST)
        revisions: list[Revision] = []
        if len(new):
            decide(window, new)
            for view, part in zip(views, fresh, strict=True):
                for slot in part.tolist():
                    put_down(self._due, view.time, self._table.key(slot))
        again = take_due(self._due, window)
        window.budget -= len(again)
        if len(again):
            revisions += decide_again(window, again)
        if self._revised == -np.inf:
            self._revised = window.now
        self._fresh += len(new)
        if self._correction is None and not self._sealing and self._revision_due():
            self._begin_correction()
        revisions += self._correct()
        revisions += part_clashes(window, seen)
        if self._correction is None:
            self._close_some()
        if self._keeper is not None and self._keeper.due():
            self._keeper.save(self._table.slots())
        ids = tuple(self._table.identity[slots].copy() for slots in seen)
        self._split_switched_tracks()
        return IdentityStep(ids, tuple(revisions), tuple(view.ids for view in views))

    def remember(self, identities: Ints, features: Floats, time: float) -> None:
        """Add known people; see `IdentityAssociator.remember`."""
        window = self._window
        self._table.widen(features.shape[1] if len(identities) else 0, "features")
        window.gallery.reserve(len(identities))
        for identity, feature in zip(identities.tolist(), features, strict=True):
            window.gallery.add(identity, feature[None], time)
        window.following = max(window.following, int(identities.max(initial=0)) + 1)

    def tune(self, params: IdentityParams) -> None:
        """Go on with other weights; see `IdentityAssociator.tune`."""
        self._params = self._window.params = params
        self._pairs.tune(params)

    def calibrate(self, camera: str, plane: GroundPlane | None) -> None:
        """Set a camera's ground plane; see `IdentityAssociator.calibrate`."""
        self._pairs.floor.calibrate(camera, plane)
        self._pairs.floor.fit(self._table.size)

    def forget(self, identities: set[int], tracks: Mapping[TrackKey, tuple[float, float]]) -> None:
        """Erase people; see `IdentityAssociator.forget`."""
        table, window = self._table, self._window
        self._correction, self._leaving = None, np.zeros(0, np.int64)
        gone = [
            slot
            for slot in table.slots().tolist()
            if int(table.identity[slot]) in identities or table.key(slot) in tracks
        ]
        parted = {identity for key, identity in self._closed.items() if key in tracks} - identities
        for slot in gone:
            self._parts.forget(*table.key(slot))
        window.erase(np.array(gone, np.int64), identities | parted)
        self._pairs.erase(np.array(gone, np.int64))
        self._due = without(self._due, tracks)
        self._closed.forget(identities, tracks)
        if self._keeper is not None:
            self._keeper.erase(gone, identities, tracks)
            for identity in parted:
                self._keeper.recall(identity)

    def finalize(self) -> dict[TrackKey, int]:
        """Correct once more, then the identity of every track."""
        self._window.budget = len(self._table)
        self._nodes = finish(self._begin_correction())[1] or self._nodes
        self._correction = None
        if self._keeper is not None:
            self._keeper.save(self._table.slots(), last=True)
        out = dict(self._closed.items())
        for slot in self._table.slots().tolist():
            out[self._table.key(slot)] = int(self._table.identity[slot])
        return out

    def _split_switched_tracks(self) -> None:
        """Let tracks that jumped from one person to another go on as new ones."""
        if not self._pairs.floor or not self._params.split_switched_tracks:
            return
        live = self._table.used & (self._table.last > self._window.now - 1.0)
        for slot in self._pairs.floor.jumped(live):
            if self._table.used[slot]:
                self._parts.part(*self._table.key(slot))

    def _revision_due(self) -> bool:
        waited = (self._window.now - self._revised) / self._params.revise_every
        nodes = max(len(self._table), self._nodes)
        idle = IDLE * max(1.0, (nodes / LARGE) ** 2)
        return waited >= 1 and (self._fresh > nodes // GROWTH or waited >= idle)

    def _begin_correction(self) -> Slices[tuple[list[Revision], int]]:
        self._revised, self._fresh = self._window.now, 0
        self._correction = revise(self._window)
        return self._correction

    def _correct(self) -> list[Revision]:
        """Do the next slice of the correction that goes on; what it changed, after its last slice."""
        if self._correction is None:
            return []
        try:
            next(self._correction)
            return []
        except StopIteration as done:
            revisions, nodes = done.value
        self._correction = None
        self._nodes = nodes or self._nodes
        self._seal()
        return list(revisions)

    def _seal(self) -> None:
        """Close tracks beyond the horizon or the window and forget identities by policy."""
        table, params, now = self._table, self._params, self._window.now
        if params.refine:
            return
        slots = table.slots()
        quiet = table.last[slots] < now - LIVE
        old = quiet & (table.last[slots] < now - params.horizon)
        surplus = len(slots) - int(old.sum()) - params.window
        if surplus > 0:
            order = slots[np.lexsort((slots, table.last[slots]))]
            order = order[np.isin(order, slots[quiet & ~old])][:surplus]
            old |= np.isin(slots, order)
        self._leaving, self._sealing = slots[old], True

    def _close_some(self) -> None:
        """Close some of the tracks that are to leave, so that no step waits long for it."""
        if not self._sealing:
            return
        now, self._leaving = self._leaving[:CLOSED], self._leaving[CLOSED:]
        now = now[self._table.last[now] < self._window.now - LIVE]  # the others were seen again meanwhile
        if len(now):
            slots = self._table.slots()
            self._close(now, slots[~np.isin(slots, now)])
        if len(self._leaving) == 0:
            self._sealing = False
            if self._params.max_age > 0:
                self._window.gallery.age(self._window.now - self._params.max_age)

    def _close(self, leaving: Ints, staying: Ints) -> None:
        """Fix the identities of tracks that leave; open tracks seen beside them cannot have these identities."""
        table, window = self._table, self._window
        if self._keeper is not None:
            self._keeper.let_go(leaving)
        row, column = equal_pairs(table.camera[staying], table.camera[leaving])
        barred, _ = table.met(staying[row], leaving[column], duplicates=self._params.duplicates)
        kept, gone = staying[row[barred]], leaving[column[barred]]
        for slot, identity in zip(kept.tolist(), table.identity[gone].tolist(), strict=True):
            window.barred.setdefault(slot, set()).add(identity)
        known = table.weight[leaving] > 0
        self._pairs.appearance.remember(table.feature[leaving[known]], table.camera[leaving[known]])
        for slot in leaving.tolist():
            identity = int(table.identity[slot])
            self._closed.add(table.key(slot), identity)
            self._parts.forget(*table.key(slot))
            window.barred.pop(slot, None)
            window.asked.pop(slot, None)
            if table.weight[slot] > 0:
                window.gallery.add(identity, self._pairs.centred[slot : slot + 1], float(table.last[slot]))
        table.close(leaving)
