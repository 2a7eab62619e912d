"""From counts to the scores people compare, for one sequence or the sum of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.evaluation.clear_mot import ClearCounts
from relaytrack.trackers.evaluation.hota import HotaCounts
from relaytrack.trackers.evaluation.id_metrics import IdCounts

Counts = TypeVar("Counts", HotaCounts, ClearCounts, IdCounts)


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything measured on one result; the properties are fractions (1 is perfect; MOTA may be negative).

    HOTA's family averages over 19 overlap thresholds from 0.05 to 0.95; the others use IoU 0.5.
    """

    hota_counts: HotaCounts
    clear_counts: ClearCounts
    id_counts: IdCounts
    gt_ids: int
    ids: int

    @property
    def hota(self) -> float:
        """Higher order tracking accuracy, the mean over thresholds of sqrt(DetA * AssA)."""
        counts = self.hota_counts
        det_a = counts.tp / np.maximum(1, counts.tp + counts.fn + counts.fp)
        return float(np.mean(np.sqrt(det_a * counts.ass / np.maximum(1, counts.tp))))

    @property
    def det_a(self) -> float:
        """Detection accuracy, TP / (TP + FN + FP)."""
        counts = self.hota_counts
        return _mean_ratio(counts.tp, counts.tp + counts.fn + counts.fp)

    @property
    def det_re(self) -> float:
        """Detection recall of HOTA."""
        return _mean_ratio(self.hota_counts.tp, self.hota_counts.tp + self.hota_counts.fn)

    @property
    def det_pr(self) -> float:
        """Detection precision of HOTA."""
        return _mean_ratio(self.hota_counts.tp, self.hota_counts.tp + self.hota_counts.fp)

    @property
    def ass_a(self) -> float:
        """Association accuracy."""
        return _mean_ratio(self.hota_counts.ass, self.hota_counts.tp)

    @property
    def ass_re(self) -> float:
        """Association recall: how whole the people's tracks are."""
        return _mean_ratio(self.hota_counts.ass_re, self.hota_counts.tp)

    @property
    def ass_pr(self) -> float:
        """Association precision: how pure the tracks are."""
        return _mean_ratio(self.hota_counts.ass_pr, self.hota_counts.tp)

    @property
    def loc_a(self) -> float:
        """Localisation accuracy: the mean overlap of the matches (1 where nothing matched, as TrackEval has it)."""
        iou, tp = self.hota_counts.iou, self.hota_counts.tp
        return float(np.mean(np.maximum(1e-10, iou) / np.maximum(1e-10, tp)))

    @property
    def mota(self) -> float:
        """Multiple object tracking accuracy, 1 - (FN + FP + switches) / annotated boxes (0 without any)."""
        counts = self.clear_counts
        if counts.tp + counts.fn == 0:
            return 0.0
        return (counts.tp - counts.fp - counts.switches) / (counts.tp + counts.fn)

    @property
    def motp(self) -> float:
        """Mean overlap of CLEAR's matches."""
        return self.clear_counts.iou / max(1, self.clear_counts.tp)

    @property
    def idf1(self) -> float:
        """F1 of the boxes with the right identity."""
        counts = self.id_counts
        return counts.idtp / max(1.0, counts.idtp + 0.5 * counts.idfp + 0.5 * counts.idfn)

    @property
    def idp(self) -> float:
        """Share of the reported boxes with the right identity."""
        return self.id_counts.idtp / max(1, self.id_counts.idtp + self.id_counts.idfp)

    @property
    def idr(self) -> float:
        """Share of the annotated boxes that have the right identity."""
        return self.id_counts.idtp / max(1, self.id_counts.idtp + self.id_counts.idfn)

    @property
    def switches(self) -> int:
        """Identity switches: how often a person's track id changed."""
        return self.clear_counts.switches

    @property
    def fragments(self) -> int:
        """How often a person's track was interrupted."""
        return self.clear_counts.fragments

    def as_dict(self) -> dict[str, float | int]:
        """All scores by their usual names: percent for the ratios, plain numbers for the counts."""
        ratios = {
            "HOTA": self.hota,
            "DetA": self.det_a,
            "AssA": self.ass_a,
            "LocA": self.loc_a,
            "DetRe": self.det_re,
            "DetPr": self.det_pr,
            "AssRe": self.ass_re,
            "AssPr": self.ass_pr,
            "MOTA": self.mota,
            "MOTP": self.motp,
            "IDF1": self.idf1,
            "IDP": self.idp,
            "IDR": self.idr,
        }
        counts = self.clear_counts
        return {name: 100.0 * value for name, value in ratios.items()} | {
            "IDSW": counts.switches,
            "Frag": counts.fragments,
            "TP": counts.tp,
            "FP": counts.fp,
            "FN": counts.fn,
            "MT": counts.mostly_tracked,
            "PT": counts.partly_tracked,
            "ML": counts.mostly_lost,
            "GT_IDs": self.gt_ids,
            "IDs": self.ids,
        }


def combine(scores: Sequence[Scores]) -> Scores:
    """The scores of several sequences as one: their counts added, as the MOT Challenge combines them."""
    return Scores(
        add_counts([one.hota_counts for one in scores]),
        add_counts([one.clear_counts for one in scores]),
        add_counts([one.id_counts for one in scores]),
        sum(one.gt_ids for one in scores),
        sum(one.ids for one in scores),
    )


def add_counts(counts: Sequence[Counts]) -> Counts:
    """Add counts of one kind field by field."""
    kind = type(counts[0])
    names = list(kind.__dataclass_fields__)
    return kind(*(reduce(lambda a, b: a + b, (getattr(one, name) for one in counts)) for name in names))


def _mean_ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> float:
    return float(np.mean(part / np.maximum(1, whole)))
