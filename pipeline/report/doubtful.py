"""The decisions of a run to look at first, each with the pictures and sentences that explain it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relaytrack.pipeline.report.evidence import Ways, evidence
from relaytrack.pipeline.report.links import Figure, figure
from relaytrack.pipeline.results.doubts import Doubt, doubts
from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.results.run_data import RunData
from relaytrack.pipeline.results.visits import Visit


@dataclass(frozen=True, slots=True)
class DoubtCard:
    """One decision.

    Attributes:
        one, other: the people it is about; `other` is the stranger where tracks were joined.
        joined: whether tracks were taken for one person, else two people were kept apart.
        pair: pictures of the two sides.
        rival: picture of the stranger who looks as much alike.
        measure: the similarities, as text.
        reasons: sentences on times and ways.
    """

    one: int
    other: int
    joined: bool
    pair: Sequence[Figure]
    rival: Figure | None
    measure: str
    reasons: Sequence[str]


def doubtful(data: RunData, stays: Mapping[int, Sequence[Visit]], ways: Ways) -> list[DoubtCard] | None:
    """The most doubtful decisions; None where there are none."""
    return [_card(data, doubt, evidence(data, doubt, stays, ways)) for doubt in doubts(data)] or None


def _card(data: RunData, doubt: Doubt, reasons: Sequence[str]) -> DoubtCard:
    pair = [_best(data, doubt.one[1]), _best(data, doubt.other[1])]
    measure = f"similarity {doubt.similarity:.2f}"
    if doubt.rival is None:
        return DoubtCard(doubt.one[0], doubt.other[0], False, pair, None, measure, reasons)
    identity, track = doubt.rival
    measure += f", with {identity}: {doubt.rival_similarity:.2f}"
    return DoubtCard(doubt.one[0], identity, True, pair, _best(data, track), measure, reasons)


def _best(data: RunData, track: TrackRecord) -> Figure:
    """The best picture of a track with where and when, or those alone."""
    best = track.best_crop
    time = track.first if best is None else float(best["time"])
    return figure(data, track.camera, time, None if best is None else str(best["file"]))
