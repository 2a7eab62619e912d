"""All evidence about pairs of tracks, gathered in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.affinity import AffinityModel
from relaytrack.trackers.identities.clustering import Evidence
from relaytrack.trackers.identities.cohorts import Cohorts
from relaytrack.trackers.identities.equal_pairs import equal_pairs
from relaytrack.trackers.identities.floor import Floor
from relaytrack.trackers.identities.ground_plane import GroundPlane
from relaytrack.trackers.identities.growing import extended
from relaytrack.trackers.identities.motion import continuation
from relaytrack.trackers.identities.params import IdentityParams
from relaytrack.trackers.identities.topology import PASSERS_BY, TravelTimes, gaps, is_later, kinds
from relaytrack.trackers.identities.tracklets import TrackletTable
from relaytrack.trackers.identities.types import CameraTracks, Floats, Ints

Bools = NDArray[np.bool_]
UNKNOWN = -1.0
"""Points of a pair without embeddings: strangers are more frequent than the same person."""
UNKNOWN_WEIGHT = 0.1
DUPLICATE = 10.0
NO_LINK = -1.5
"""Points of two groups that are only ever seen at the same time."""


class PairEvidence:
    """Knows tracks by slot and says what speaks for and against pairs of them.

    Attributes:
        table: the tracks.
        appearance, travel, floor: the parts of the evidence.
    """

    def __init__(self, params: IdentityParams, calibrations: Mapping[str, GroundPlane]) -> None:
        self._params = params
        self.table = TrackletTable(params.bank, params.min_quality)
        self.appearance = AffinityModel(params)
        self.travel = TravelTimes(params.return_ratio or PASSERS_BY)
        self.floor = Floor(calibrations, params)
        self.centred: Floats = np.zeros((0, 0), np.float32)
        self.cohorts = Cohorts()

    def tune(self, params: IdentityParams) -> None:
        """Weigh the evidence otherwise."""
        self._params = self.appearance.params = params

    def observe(self, views: Sequence[CameraTracks]) -> tuple[list[Ints], list[Ints]]:
        """Take the views of one step; for each the slots of its tracks and of those that are new."""
        slots, new = self.table.observe(views)
        if len(self.travel.given) < len(self._params.travel_times):
            self._know_ways()
        for view, own, fresh in zip(views, slots, new, strict=True):
            if self.floor:
                self.floor.observe(view, own, fresh, self.table)
            else:
                self.floor.begin(fresh)  # a plane may have been taken away, and may come back
        return slots, new

    def _know_ways(self) -> None:
        """Take up the given travel times of the cameras known by now."""
        index = self.table.cameras
        for first, second, least, most in self._params.travel_times:
            if first in index and second in index:
                self.travel.given[index[first], index[second]] = (least, most)

    def between(
        self, slots: Ints, others: Ints, scores: Floats | None = None, similarity: Floats | None = None
    ) -> Evidence:
        """Evidence between tracks (N,) and (M,); matrices are (N, M).

        Args:
            slots: rows.
            others: columns.
            scores: as of `learn`; None to compute them for rows that are new.
            similarity: (N, M) similarities as of `prepare`, where there are no scores.
        """
        table, params = self.table, self._params
        if scores is None:
            known = (table.weight[slots] > 0)[:, None] & (table.weight[others] > 0)[None, :]
            scores = self._scores(slots, others, similarity)
        else:
            known = ~np.isnan(scores)
        same_camera = equal_pairs(table.camera[slots], table.camera[others])
        ground = None
        if self.floor and params.ground_weight > 0:
            walk = self.floor.continuation(table, slots, others, params.motion_horizon)
            ground = params.ground_weight * (self.floor.together(slots, others) + walk)
        return self._evidence(slots[:, None], others[None, :], scores, known, same_camera, ground)

    def of_pairs(self, slots: Ints, others: Ints, similarity: Floats) -> Evidence:
        """Evidence of pairs of tracks, (P,) each, of cameras without ground planes; arrays are (P,).

        Args:
            slots: new tracks, as of `prepare`.
            others: tracks of the window.
            similarity: (P,).
        """
        table = self.table
        known = (table.weight[slots] > 0) & (table.weight[others] > 0)
        same_camera = np.flatnonzero(table.camera[slots] == table.camera[others])
        return self._evidence(slots, others, self.pair_scores(slots, others, similarity), known, (same_camera,))

    def pair_scores(self, slots: Ints, others: Ints, similarity: Floats) -> Floats:
        """(P,) scores of appearance, as of `AffinityModel.scores`, of pairs of tracks, (P,) each."""
        row = self.cohorts.at(slots, self.table.camera[others])
        column = self.cohorts.at(others, self.table.camera[slots])
        return self.appearance.pair_scores(similarity, row, column)

    def _evidence(
        self,
        slots: Ints,
        others: Ints,
        scores: Floats,
        known: Bools,
        same_camera: tuple[Ints, ...],
        ground: Floats | None = None,
    ) -> Evidence:
        """All evidence; `slots` and `others` are of shapes that NumPy broadcasts to that of `scores`.

        Args:
            slots: one track of each pair.
            others: the other one.
            scores: of appearance.
            known: where both have an embedding.
            same_camera: where both are of one camera, an index into `scores`.
            ground: what the places on the floor say.
        """
        table, params = self.table, self._params
        weight = np.where(known, np.float32(1), np.float32(UNKNOWN_WEIGHT))
        mean = np.where(known, scores, np.float32(UNKNOWN))
        mean *= weight
        extra = np.zeros(mean.shape, np.float32)
        link = np.zeros(mean.shape, np.float32)
        if params.time_weight > 0:
            start, last = table.start[slots], table.last[slots]
            gap = gaps(start, last, table.start[others], table.last[others])
            later = is_later(start, table.start[others], slots, others)
            where = (table.camera[slots], table.camera[others])
            kind = self.kinds_of(later, slots, others)
            link = self.travel.follow(gap, later, *where, kind)
            overlapping = link == -np.inf
            link[overlapping] = 0
            link *= np.float32(params.time_weight)
            link[overlapping] = NO_LINK
            if self.travel.learned:
                extra += params.time_weight * self.travel.at_once(gap, *where)
        one, other = (np.broadcast_to(part, mean.shape)[same_camera] for part in (slots, others))
        if params.motion_weight > 0:
            extra[same_camera] += params.motion_weight * continuation(table, one, other, params.motion_horizon)
        if ground is not None:
            extra += ground
        barred, twins = table.met(one, other, duplicates=params.duplicates)
        extra[tuple(index[twins] for index in same_camera)] = DUPLICATE
        cannot_link = np.zeros(mean.shape, bool)
        cannot_link[same_camera] = barred
        return Evidence(mean, weight, extra, link, cannot_link)

    def erase(self, slots: Ints) -> None:
        """Overwrite the embeddings of tracks (N,) that were taken out of the table, and where they stood."""
        self.floor.begin(slots)
        table = self.table
        for values in (table.feature, self.centred):
            values[slots[slots < len(values)]] = 0

    def to_known(self, slots: Ints, similarity: Floats) -> Floats:
        """(N, M) scores of tracks against known embeddings, by the tracks' own cohorts."""
        cohort = self.cohorts.of(slots, len(self.table.cameras))
        mean = cohort.mean.mean(axis=1, keepdims=True)
        deviation = cohort.deviation.mean(axis=1, keepdims=True)
        return np.asarray((similarity - mean) / np.maximum(deviation, 1e-3) - self.appearance.margin, np.float32)

    @property
    def can_shortlist(self) -> bool:
        """Whether bounds hold by which pairs can be left out: no ground planes, similarities against cohorts."""
        return not self.floor and self._params.normalise == "cohort"

    def kinds_of(self, later: Bools, slots: Ints, others: Ints) -> Ints:
        """As `topology.kinds`, of tracks in shapes that NumPy broadcasts."""
        table = self.table
        same = table.camera[slots] == table.camera[others]
        return kinds(later, same, self._zones(slots), self._zones(others))

    def _zones(self, slots: Ints) -> tuple[Ints, Ints]:
        """As `TrackletTable.zones`, for slots of any shape and with repetitions."""
        if slots.ndim == 1:
            slots, place = np.unique(slots, return_inverse=True)
            began, ended = self.table.zones(slots)
            return began[place], ended[place]
        began, ended = self.table.zones(slots.reshape(-1))
        return began.reshape(slots.shape), ended.reshape(slots.shape)

    def _scores(self, slots: Ints, others: Ints, similarity: Floats | None = None) -> Floats:
        table = self.table
        if similarity is None:
            similarity = self.centred[slots] @ self.centred[others].T
        row = self.cohorts.of(slots, len(table.cameras))
        cameras, place = np.unique(table.camera[slots], return_inverse=True)  # few of many, for new tracks
        column = self.cohorts.at(others[:, None], cameras)
        return self.appearance.scores(similarity, row, place.reshape(-1), column, table.camera[others])

    def fit(self) -> None:
        """Make room for all slots and cameras of the table."""
        size, width = self.table.feature.shape
        if self.centred.shape != (size, width):
            fits = self.centred.shape[1] == width
            self.centred = extended(self.centred if fits else np.zeros((0, width), np.float32), size)
        self.cohorts.fit(size, len(self.table.cameras), self.appearance.prior())
