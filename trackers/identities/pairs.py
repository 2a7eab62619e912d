"""All evidence about pairs of tracks, gathered in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.affinity import AffinityModel, Cohort
from relaytrack.trackers.identities.clustering import Evidence
from relaytrack.trackers.identities.floor import Floor
from relaytrack.trackers.identities.ground_plane import GroundPlane
from relaytrack.trackers.identities.growing import enlarged
from relaytrack.trackers.identities.motion import continuation
from relaytrack.trackers.identities.params import IdentityParams
from relaytrack.trackers.identities.slices import Slices, blocks, finish, pause
from relaytrack.trackers.identities.topology import CONFIDENT, PASSERS_BY, TravelTimes, gaps, is_later, kinds
from relaytrack.trackers.identities.tracklets import TrackletTable
from relaytrack.trackers.identities.types import CameraTracks, Floats, Ints

UNKNOWN = -1.0
"""Points of a pair without embeddings: strangers are more frequent than the same person."""
UNKNOWN_WEIGHT = 0.1
DUPLICATE = 10.0
NO_LINK = -1.5
"""Points of two groups that are only ever seen at the same time."""
SMALL = 64
"""Tracks up to which the cameras' means are learned anew at each decision."""


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
        self._mean: Floats = np.zeros((0, 0), np.float32)
        self._deviation: Floats = np.zeros((0, 0), np.float32)

    def tune(self, params: IdentityParams) -> None:
        """Weigh the evidence otherwise."""
        self._params = self.appearance.params = params

    def observe(self, views: Sequence[CameraTracks]) -> tuple[list[Ints], list[Ints]]:
        """Take the views of one step; for each the slots of its tracks and of those that are new."""
        slots, new = self.table.observe(views)
        if len(self.travel.given) < len(self._params.travel_times):
            self._know_ways()
        if self.floor:
            for view, own, fresh in zip(views, slots, new, strict=True):
                self.floor.observe(view, own, fresh, self.table)
        return slots, new

    def _know_ways(self) -> None:
        """Take up the given travel times of the cameras known by now."""
        index = self.table.cameras
        for first, second, least, most in self._params.travel_times:
            if first in index and second in index:
                self.travel.given[index[first], index[second]] = (least, most)

    def learn(self, slots: Ints) -> Slices[Floats]:
        """Learn means and cohorts anew from these tracks (N,).

        Returns:
            (N, N) scores of appearance; NaN for pairs with a track that had no embedding when this began. A track may
            get its first one between two slices; until the next correction it counts as unknown.
        """
        self._fit()
        table = self.table
        cameras = table.camera[slots]
        known = table.weight[slots] > 0
        count = len(table.cameras)
        scores = np.full((len(slots), len(slots)), np.nan, np.float32)
        some, where = slots[known], cameras[known]
        if len(some) == 0:
            return scores
        self.appearance.learn(table.feature[some], where, count)
        centred = self.centred[some] = self.appearance.centre(table.feature[some], where)
        similarity = np.empty((len(some), len(some)), np.float32)
        parts = blocks(len(some), len(some), 2)
        for part in parts:
            # a copy: NumPy multiplies a matrix by its own transpose with another routine, and other last digits
            similarity[part] = centred[part].copy() @ centred.T
            yield from pause(parts)
        self.appearance.calibrate(similarity, table.conflicts(some, some, duplicates=False)[0])
        yield from pause(parts)
        mean, deviation = np.empty((2, len(some), count), np.float32)
        for part in parts:
            own = np.arange(part.start, part.stop)
            cohort = self.appearance.cohort(similarity[part], where, count, own)
            mean[part], deviation[part] = cohort.mean, cohort.deviation
            yield from pause(parts)
        self._mean[some, :count], self._deviation[some, :count] = mean, deviation
        places, every = np.flatnonzero(known), Cohort(mean, deviation)
        for part in parts:
            own_cohort = Cohort(mean[part], deviation[part])
            found = self.appearance.scores(similarity[part], own_cohort, where[part], every, where)
            scores[np.ix_(places[part], places)] = found
            yield from pause(parts)
        return scores

    def learn_times(self, slots: Ints, scores: Floats) -> Slices[None]:
        """Learn the travel times from pairs that are certain by appearance alone; `scores` as of `learn`."""
        table = self.table
        counts = self.travel.counts(len(table.cameras))
        start, last, camera = table.start[slots], table.last[slots], table.camera[slots]
        parts = blocks(len(slots), len(slots))
        for part in parts:
            own = slots[part]
            gap = gaps(start[part], last[part], start, last)
            later = is_later(start[part], start, own, slots)
            usable = ~table.conflicts(own, slots, duplicates=False)[0] & ~np.isnan(scores[part])
            sure = usable & (scores[part] > CONFIDENT)
            counts.add(gap, later, camera[part], camera, self._kinds(later, own, slots), sure, usable)
            yield from pause(parts)
        yield from self.travel.learn(counts)

    def among(self, slots: Ints, scores: Floats) -> Slices[Evidence]:
        """Evidence between all pairs of tracks (N,), from their scores (N, N) as of `learn`."""
        parts = blocks(len(slots), len(slots))
        if len(parts) == 1:
            return self.between(slots, slots, scores)
        whole = Evidence.unfilled(len(slots))
        for part in parts:  # each pair once: tracks move on between two slices, and the matrices stay symmetric
            whole.fill(part, self.between(slots[part], slots[part.start :], scores[part, part.start :]))
            yield
        return whole

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
            kind = self._kinds(later, slots, others)
            link = params.time_weight * self.travel.follow(gap, later, *where, kind)
            link[link == -np.inf] = NO_LINK
            if self.travel.learned:
                extra += params.time_weight * self.travel.at_once(gap, *where)
        if params.motion_weight > 0:
            extra += params.motion_weight * continuation(table, slots, others, params.motion_horizon)
        if self.floor and params.ground_weight > 0:
            walk = self.floor.continuation(table, slots, others, params.motion_horizon)
            extra += params.ground_weight * (self.floor.together(slots, others) + walk)
        cannot_link, twins = table.conflicts(slots, others, duplicates=params.duplicates)
        extra[twins] = DUPLICATE
        return Evidence(mean, weight, extra, link, cannot_link)

    def erase(self, slots: Ints) -> None:
        """Overwrite the embeddings of tracks that were taken out of the table."""
        table = self.table
        for values in (table.feature, self.centred):
            values[slots[slots < len(values)]] = 0

    def to_known(self, slots: Ints, similarity: Floats) -> Floats:
        """(N, M) scores of tracks against known embeddings, by the tracks' own cohorts."""
        count = len(self.table.cameras)
        mean = self._mean[slots, :count].mean(axis=1, keepdims=True)
        deviation = self._deviation[slots, :count].mean(axis=1, keepdims=True)
        return np.asarray((similarity - mean) / np.maximum(deviation, 1e-3) - self.appearance.margin, np.float32)

    def prepare(self, new: Ints, window: Ints) -> Floats:
        """Make the centred embeddings and cohorts of new tracks (N,); their (N, M) similarities to the window."""
        table = self.table
        self.appearance.tracks = len(window)
        if len(window) <= SMALL:
            finish(self.learn(window))
            return self._alike(new, window)
        self._fit()
        looks = table.weight[new] > 0
        some = new[looks]
        if len(some):
            self.centred[some] = self.appearance.centre(table.feature[some], table.camera[some])
        similarity = self._alike(new, window)
        if len(some):
            count = len(table.cameras)
            known = table.weight[window] > 0
            place = np.empty(table.size, np.int64)
            place[window[known]] = np.arange(np.count_nonzero(known))
            values = similarity if known.all() and looks.all() else similarity[np.ix_(looks, known)]
            cohort = self.appearance.cohort(values, table.camera[window[known]], count, place[some])
            self._mean[some, :count], self._deviation[some, :count] = cohort.mean, cohort.deviation
        return similarity

    def _alike(self, slots: Ints, others: Ints) -> Floats:
        """(N, M) similarities; what lies close together in the table is multiplied in place."""
        reach = int(others.max(initial=-1)) + 1
        if reach > 2 * len(others):
            return np.asarray(self.centred[slots] @ self.centred[others].T, np.float32)
        return (self.centred[slots] @ self.centred[:reach].T).take(others, axis=1)

    def _kinds(self, later: NDArray[np.bool_], slots: Ints, others: Ints) -> Ints:
        table = self.table
        same = table.camera[slots][:, None] == table.camera[others][None, :]
        return kinds(later, same, table.zones(slots), table.zones(others))

    def _scores(self, slots: Ints, others: Ints, similarity: Floats | None = None) -> Floats:
        table, count = self.table, len(self.table.cameras)
        if similarity is None:
            similarity = self.centred[slots] @ self.centred[others].T
        row = Cohort(self._mean[slots, :count], self._deviation[slots, :count])
        cameras, place = np.unique(table.camera[slots], return_inverse=True)  # few of many, for new tracks
        column = Cohort(self._mean[others[:, None], cameras], self._deviation[others[:, None], cameras])
        return self.appearance.scores(similarity, row, place.reshape(-1), column, table.camera[others])

    def _fit(self) -> None:
        size, width = self.table.feature.shape
        if self.centred.shape != (size, width):
            fits = self.centred.shape[1] == width
            self.centred = enlarged(self.centred if fits else np.zeros((0, width), np.float32), size)
        cameras = max(4, len(self.table.cameras))
        if self._mean.shape[0] != size or self._mean.shape[1] < cameras:
            mean0, deviation0 = self.appearance.prior()
            for name, value in (("_mean", mean0), ("_deviation", deviation0)):
                old = getattr(self, name)
                filled = np.full((size, cameras), value, np.float32)
                filled[: old.shape[0], : old.shape[1]] = old
                setattr(self, name, filled)
