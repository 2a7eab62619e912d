"""The association of identities: all evidence, joint decisions, corrections within a horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.association.assignment import assign
from relaytrack.trackers.identities.clustering import Evidence, agglomerate
from relaytrack.trackers.identities.gallery import Gallery
from relaytrack.trackers.identities.ground_plane import GroundPlane
from relaytrack.trackers.identities.pairs import PairEvidence
from relaytrack.trackers.identities.params import IdentityParams
from relaytrack.trackers.identities.store import IdentityStore, StoredTrack
from relaytrack.trackers.identities.switch_detector import TrackParts
from relaytrack.trackers.identities.types import CameraTracks, Floats, IdentityStep, Ints, Revision, TrackKey

Array = NDArray[Any]
DUE = (1.0, 4.0)
"""Seconds after its beginning at which a track that is alone in its identity is decided again."""
LIVE = 5.0
"""Seconds for which a track that was not updated still counts as live."""
GROWTH = 16
"""A correction is due when one track in this many is new (the cost of a correction grows as the square)."""
IDLE = 10.0
LARGE = 250
"""Without new tracks, corrections are `IDLE` times rarer, and rarer still from `LARGE` tracks on."""
QUERIES = 100
"""Tracks that query the gallery in one step at most, besides new ones."""
SHORTLIST = 0.2
"""Least similarity to a known identity's mean for it to be looked at."""


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
        self._params = params
        self._pairs = PairEvidence(params, calibrations)
        self._table = self._pairs.table
        self._gallery = Gallery(params.gallery, params.max_identities)
        self._closed: dict[TrackKey, int] = {}
        self._barred: dict[int, set[int]] = {}
        self._due: list[tuple[float, int, TrackKey]] = []
        self._next = 1
        self._now = -np.inf
        self._revised = -np.inf
        self._fresh = 0
        self._budget = QUERIES
        self._parts = TrackParts()
        self._nodes = 0  # of the last correction
        self._store = store
        self._kept: dict[int, tuple[float, int]] = {}
        self._asked: dict[int, tuple[float, tuple[int, ...]]] = {}
        if store is not None:
            self._resume(store)

    def update(self, views: Sequence[CameraTracks]) -> IdentityStep:
        """Decide one time step; see `IdentityAssociator.update`."""
        seen, fresh = [], []
        views = [replace(view, ids=self._parts.rename(view.camera, view.ids)) for view in views]
        for view in views:
            slots, new = self._pairs.observe(view)
            seen.append(slots)
            fresh.append(new)
            self._now = max(self._now, view.time)
        new = np.concatenate(fresh) if fresh else np.zeros(0, np.int64)
        self._budget = max(QUERIES - len(new), 0)
        revisions: list[Revision] = []
        if len(new):
            self._decide(new)
            self._due += [
                (view.time + DUE[0], 0, self._table.key(slot))
                for view, part in zip(views, fresh, strict=True)
                for slot in part.tolist()
            ]
        again = self._due_now()
        self._budget -= len(again)
        if len(again):
            revisions += self._correct(again)
        if self._revised == -np.inf:
            self._revised = self._now
        self._fresh += len(new)
        if self._revision_due():
            revisions += self._revise()
            self._seal()
        if self._store is not None and self._store.due():
            self._save(self._store, self._table.slots())
        ids = tuple(self._table.identity[slots].copy() for slots in seen)
        self._split_switched_tracks()
        return IdentityStep(ids, tuple(revisions), tuple(view.ids for view in views))

    def remember(self, identities: Ints, features: Floats, time: float) -> None:
        """Add known people; see `IdentityAssociator.remember`."""
        self._gallery.reserve(len(identities))
        for identity, feature in zip(identities.tolist(), features, strict=True):
            self._gallery.add(identity, feature[None], time)
        self._next = max(self._next, int(identities.max(initial=0)) + 1)

    def calibrate(self, camera: str, plane: GroundPlane | None) -> None:
        """Set a camera's ground plane; see `IdentityAssociator.calibrate`."""
        self._pairs.floor.calibrate(camera, plane)

    def finalize(self) -> dict[TrackKey, int]:
        """Correct once more, then the identity of every track."""
        self._budget = len(self._table)
        self._revise()
        if self._store is not None:
            self._save(self._store, self._table.slots())
        out = dict(self._closed)
        for slot in self._table.slots().tolist():
            out[self._table.key(slot)] = int(self._table.identity[slot])
        return out

    def _split_switched_tracks(self) -> None:
        """Let tracks that jumped from one person to another go on as new ones."""
        if not self._pairs.floor or not self._params.split_switched_tracks:
            return
        live = self._table.used & (self._table.last > self._now - 1.0)
        for slot in self._pairs.floor.jumped(live):
            if self._table.used[slot]:
                self._parts.part(*self._table.key(slot))

    def _revision_due(self) -> bool:
        waited = (self._now - self._revised) / self._params.revise_every
        nodes = max(len(self._table), self._nodes)
        idle = IDLE * max(1.0, (nodes / LARGE) ** 2)
        return waited >= 1 and (self._fresh > nodes // GROWTH or waited >= idle)

    def _decide(self, new: Ints) -> None:
        """Give new tracks identities, all cameras together."""
        table = self._table
        window = table.slots()
        similarity = self._pairs.prepare(new, window)
        place = np.full(table.size, -1)
        place[window] = np.arange(len(window))
        old = table.identity[window] > 0
        old[place[new]] = False
        others = window[old]
        evidence = self._pairs.between(new, others, similarity=similarity[:, old])
        names, column = np.unique(table.identity[others], return_inverse=True)
        names, score = self._identity_scores(new, evidence, names, column.reshape(-1))
        chosen = np.zeros(len(new), np.int64)
        scores = np.zeros(len(new), np.float32)
        for camera in np.unique(table.camera[new]).tolist():
            rows = np.flatnonzero(table.camera[new] == camera)
            picked, columns = assign(score[rows])
            chosen[rows[picked]] = names[columns]
            scores[rows[picked]] = score[rows[picked], columns]
        own = self._pairs.between(new, new, similarity=similarity[:, place[new]])
        self._untangle(chosen, scores, own.score())
        left = np.flatnonzero(chosen == 0)
        if len(left):
            labels = agglomerate(own.part(left))
            chosen[left] = self._next + labels
            self._next += int(labels.max()) + 1
        table.identity[new] = chosen

    def _identity_scores(self, new: Ints, evidence: Evidence, names: Ints, column: Ints) -> tuple[Ints, Floats]:
        """(N, I) scores of new tracks for identities, of the window and of the gallery."""
        known = self._gallery.query(self._pairs.centred[new], SHORTLIST) if len(self._gallery) else None
        extra = np.setdiff1d(known.identity, names) if known is not None else np.zeros(0, np.int64)
        everyone = np.concatenate([names, extra])
        mean, weight, more, link, cannot_link = (
            _wider(_by_group(join, part, column, len(names)), len(extra))
            for join, part in (
                (np.add, evidence.mean),
                (np.add, evidence.weight),
                (np.add, evidence.extra),
                (np.maximum, evidence.link),
                (np.logical_or, evidence.cannot_link),
            )
        )
        if known is not None and len(known.query):
            place = np.searchsorted(everyone, known.identity, sorter=np.argsort(everyone, kind="stable"))
            place = np.argsort(everyone, kind="stable")[place]
            scores = self._pairs.to_known(new[known.query], known.similarity[:, None])[:, 0]
            close = scores > -0.5
            cuts = np.searchsorted(known.query[close], np.arange(len(new) + 1)).tolist()
            named = known.identity[close].tolist()
            for row, slot in enumerate(new.tolist()):
                self._asked[slot] = (float(self._table.weight[slot]), tuple(named[cuts[row] : cuts[row + 1]]))
            held = self._gallery.held(known.identity).astype(np.float32)
            np.add.at(mean, (known.query, place), scores * held)
            np.add.at(weight, (known.query, place), held)
        for row, slot in enumerate(new.tolist()):
            for identity in self._barred.get(slot, ()):
                cannot_link[row, everyone == identity] = True
        low, high = evidence.limits
        score = mean / np.maximum(weight, 1e-6) + np.clip(more, low, high) + link
        score[cannot_link | (weight == 0)] = -1e6
        return everyone, np.asarray(score, np.float32)

    @staticmethod
    def _untangle(chosen: Ints, scores: Floats, between: Floats) -> None:
        """Of two new tracks with one identity that cannot be one person, the weaker one loses the identity."""
        clash = (chosen[:, None] == chosen[None, :]) & (chosen > 0) & (between < -3.0)
        np.fill_diagonal(clash, val=False)
        if not clash.any():
            return
        for row in np.argsort(-scores, kind="stable").tolist():
            if chosen[row] == 0:
                continue
            rivals = np.flatnonzero((chosen == chosen[row]) & (between[row] < -3.0))
            weaker = rivals[scores[rivals] <= scores[row]]
            chosen[weaker[weaker != row]] = 0

    def _due_now(self) -> Ints:
        """Slots of tracks to be decided again because they are alone in their identity."""
        ready = sorted(entry for entry in self._due if entry[0] <= self._now)[: self._budget]
        if not ready:
            return np.zeros(0, np.int64)
        taken = set(ready)
        self._due = [entry for entry in self._due if entry not in taken]
        out = []
        table = self._table
        for time, turn, (camera, track) in ready:
            slot = table.find(camera, track)
            if slot is None:
                continue
            if turn + 1 < len(DUE):
                self._due.append((time - DUE[turn] + DUE[turn + 1], turn + 1, (camera, track)))
            identity = table.identity[slot]
            alone = np.count_nonzero(table.used & (table.identity == identity)) == 1
            if alone and int(identity) not in self._gallery:
                out.append(slot)
        return np.array(out, np.int64)

    def _correct(self, slots: Ints) -> list[Revision]:
        table = self._table
        before = table.identity[slots].copy()
        following = self._next
        table.identity[slots] = 0
        self._decide(slots)
        # Who found no company keeps the number it had.
        after = table.identity[slots]
        for identity in np.unique(after[after >= following]).tolist():
            table.identity[slots[after == identity]] = before[after == identity].min()
        self._next = following
        return self._report(slots, before)

    def _report(self, slots: Ints, before: Ints) -> list[Revision]:
        table = self._table
        after = table.identity[slots]
        remaining = set(table.identity[table.used].tolist())
        out = []
        for row in np.flatnonzero((before != after) & (before > 0)).tolist():
            camera, track = table.key(int(slots[row]))
            old, new = int(before[row]), int(after[row])
            kind = "split" if old in remaining or old in self._gallery else "merge"
            time = float(table.start[slots[row]])
            out.append(Revision("merge" if kind == "merge" else "split", old, new, camera, track, time))
        return out

    def _revise(self) -> list[Revision]:
        """Group all tracks of the window anew."""
        table, pairs = self._table, self._pairs
        self._revised, self._fresh = self._now, 0
        slots = table.slots()
        if len(slots) == 0:
            return []
        scores = pairs.learn(slots)
        if self._params.time_weight > 0:
            pairs.learn_times(slots, scores)
        evidence = pairs.between(slots, slots, scores)
        same = table.identity[slots][:, None] == table.identity[slots][None, :]
        evidence.mean[same] += self._params.stability * evidence.weight[same]
        evidence, fixed = self._with_known(slots, evidence)
        self._nodes = len(slots) + len(fixed)
        start = np.concatenate([np.arange(len(slots)), len(slots) + fixed])
        labels = agglomerate(evidence, start)
        before = table.identity[slots].copy()
        table.identity[slots] = self._names(slots, labels, fixed)
        return self._report(slots, before)

    def _with_known(self, slots: Ints, evidence: Evidence) -> tuple[Evidence, Ints]:
        """Add nodes for known identities that tracks of the window have or resemble.

        Returns:
            the larger evidence and the (K,) identities of the nodes added.
        """
        if len(self._gallery) == 0:
            return evidence, np.zeros(0, np.int64)
        pairs = self._pairs
        names = self._resembled(slots)
        names |= {name for name in self._table.identity[slots].tolist() if name in self._gallery}
        if not names:
            return evidence, np.zeros(0, np.int64)
        kept = [self._gallery.kept(name) for name in sorted(names)]
        fixed = np.repeat(np.array(sorted(names), np.int64), [len(part) for part in kept])
        old, size = len(slots), len(slots) + len(fixed)
        similarity = pairs.centred[slots] @ np.concatenate(kept).T
        known = self._table.weight[slots] > 0
        cross = np.where(known[:, None], pairs.to_known(slots, similarity), -1.0)
        weight = np.repeat(np.where(known, 1.0, 0.1)[:, None], len(fixed), axis=1)
        own = self._table.identity[slots][:, None] == fixed[None]

        def grown(matrix: Floats, block: Floats) -> Floats:
            larger = np.zeros((size, size), np.float32)
            larger[:old, :old] = matrix
            larger[:old, old:], larger[old:, :old] = block, block.T
            return larger

        mean = grown(evidence.mean, (cross + self._params.stability * own) * weight)
        share = grown(evidence.weight, weight)
        extra = grown(evidence.extra, np.zeros_like(cross))
        link = grown(evidence.link, np.zeros_like(cross))
        cannot_link = np.zeros((size, size), bool)
        cannot_link[:old, :old] = evidence.cannot_link
        cannot_link[old:, old:] = fixed[:, None] != fixed[None]
        for row, slot in enumerate(slots.tolist()):
            for identity in self._barred.get(slot, ()):
                cannot_link[row, old:] |= fixed == identity
        cannot_link[old:, :old] = cannot_link[:old, old:].T
        return Evidence(mean, share, extra, link, cannot_link, evidence.limits), fixed

    def _resembled(self, slots: Ints) -> set[int]:
        """Known identities that these tracks resemble; only tracks that look otherwise than before query."""
        table = self._table
        changed = np.array(
            [table.weight[slot] > 1.5 * self._asked.get(slot, (0.0, ()))[0] for slot in slots.tolist()], bool
        )
        asking = slots[changed]
        asking = asking[max(len(asking) - self._budget, 0) :]
        self._budget -= len(asking)
        if len(asking):
            found = self._gallery.query(self._pairs.centred[asking], SHORTLIST, most=4)
            scores = self._pairs.to_known(asking[found.query], found.similarity[:, None])[:, 0]
            close = scores > -0.5
            for row, slot in enumerate(asking.tolist()):
                named = found.identity[close & (found.query == row)].tolist()
                self._asked[slot] = (float(table.weight[slot]), tuple(named))
        every = {name for slot in slots.tolist() for name in self._asked.get(slot, (0.0, ()))[1]}
        return {name for name in every if name in self._gallery}

    def _names(self, slots: Ints, labels: Ints, fixed: Ints) -> Ints:
        """The identity of each slot's group: the known one it holds, or the one most of its frames had."""
        table = self._table
        count = int(labels.max()) + 1
        named = np.zeros(count, np.int64)
        named[labels[len(slots) :]] = fixed
        groups = labels[: len(slots)]
        shown = table.identity[slots]
        frames = table.frames[slots].astype(np.float64)
        old, column = np.unique(shown, return_inverse=True)
        votes = np.zeros((count, len(old)))
        np.add.at(votes, (groups, column.reshape(-1)), frames)
        taken = np.array([name == 0 or name in self._gallery for name in old.tolist()])
        votes[:, taken] = 0
        votes[named > 0] = 0
        rows, columns = assign(votes)
        named[rows] = old[columns]
        for group in np.flatnonzero((named == 0) & (np.bincount(groups, minlength=count) > 0)).tolist():
            named[group], self._next = self._next, self._next + 1
        return named[groups]

    def _seal(self) -> None:
        """Close tracks beyond the horizon or the window and forget identities by policy."""
        table, params = self._table, self._params
        if params.refine:
            return
        slots = table.slots()
        quiet = table.last[slots] < self._now - LIVE
        old = quiet & (table.last[slots] < self._now - params.horizon)
        surplus = len(slots) - int(old.sum()) - params.window
        if surplus > 0:
            order = slots[np.lexsort((slots, table.last[slots]))]
            order = order[np.isin(order, slots[quiet & ~old])][:surplus]
            old |= np.isin(slots, order)
        leaving = slots[old]
        if len(leaving):
            self._close(leaving, slots[~old])
        if params.max_age > 0:
            self._gallery.age(self._now - params.max_age)

    def _close(self, leaving: Ints, staying: Ints) -> None:
        table = self._table
        if self._store is not None:
            self._save(self._store, leaving)
            for slot in leaving.tolist():
                self._kept.pop(slot, None)
        cannot_link, _ = table.conflicts(staying, leaving, duplicates=self._params.duplicates)
        for row, column in np.argwhere(cannot_link).tolist():
            identity = int(table.identity[leaving[column]])
            self._barred.setdefault(int(staying[row]), set()).add(identity)
        known = table.weight[leaving] > 0
        self._pairs.appearance.remember(table.feature[leaving[known]], table.camera[leaving[known]])
        for slot in leaving.tolist():
            identity = int(table.identity[slot])
            self._closed[table.key(slot)] = identity
            self._parts.forget(*table.key(slot))
            self._barred.pop(slot, None)
            self._asked.pop(slot, None)
            if table.weight[slot] > 0:
                self._gallery.add(identity, self._pairs.centred[slot : slot + 1], float(table.last[slot]))
        table.close(leaving)
        for key in list(self._closed)[: max(0, len(self._closed) - self._params.max_tracks)]:
            del self._closed[key]

    def _resume(self, store: IdentityStore) -> None:
        """Take up the identities of earlier runs."""
        store.begin()
        self._next = store.following()
        for name, (count, total) in store.cameras().items():
            camera = self._table.cameras.setdefault(name, len(self._table.cameras))
            self._pairs.appearance.recall(camera, count, total)
        self._table.see(len(self._table.cameras))
        for track in store.tracks():
            if track.feature is not None:
                self._gallery.add(track.identity, track.feature[None], track.last)
        self._gallery.age(-self._params.max_age if self._params.max_age > 0 else -np.inf)

    def _save(self, store: IdentityStore, slots: Ints) -> None:
        """Write what changed since the last time."""
        table, out = self._table, []
        for slot in slots.tolist():
            state = (float(table.last[slot]), int(table.identity[slot]))
            if self._kept.get(slot) == state:
                continue
            self._kept[slot] = state
            camera, track = table.key(slot)
            feature = None
            if table.weight[slot] > 0 and slot < len(self._pairs.centred):
                row = self._pairs.appearance.centre(table.feature[slot : slot + 1], table.camera[slot : slot + 1])
                feature = row[0]
            first, frames = float(table.start[slot]), int(table.frames[slot])
            out.append(StoredTrack(camera, track, state[1], first, state[0], frames, feature))
        names = list(table.cameras)
        known = table.slots()
        known = known[table.weight[known] > 0]
        sums = self._pairs.appearance.sums(table.feature[known], table.camera[known])
        store.write(out, self._next, {names[camera]: value for camera, value in sums.items()})


def _by_group(join: np.ufunc, values: Array, group: Ints, count: int) -> Array:
    """(N, count) the columns of `values` (N, M) joined by their group (M,) of 0..count-1, none of them empty."""
    first = np.full(count, -1)
    first[group[::-1]] = np.arange(len(group))[::-1]
    alone = len(first) == len(group) and bool((first[1:] > first[:-1]).all())
    out = values if alone else values.take(first, axis=1)
    more = np.ones(len(group), bool)
    more[first] = False
    rest = np.flatnonzero(more)
    if len(rest):
        rest = rest[np.argsort(group[rest], kind="stable")]
        shared, begins = np.unique(group[rest], return_index=True)
        out[:, shared] = join(out[:, shared], join.reduceat(values[:, rest], begins, axis=1))
    return out


def _wider(values: Array, columns: int) -> Array:
    """(N, M + columns) `values` (N, M) with columns of zeros after them."""
    return np.hstack([values, np.zeros((len(values), columns), values.dtype)]) if columns else values
