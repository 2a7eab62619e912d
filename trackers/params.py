"""Everything that can be set on the tracker, in one record."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from relaytrack.trackers.errors import TrackerInputError


@dataclass(frozen=True, slots=True)
class DeepSortParams:
    """Settings of `DeepSort`. The defaults are meant for every camera and detector.

    Scores are read as likelihoods that a detection is a person, learnt per score as frames go by (see
    `relaytrack.trackers.score_calibration.ScoreCalibration`); with `adapt_scores` off they are the detector's own.
    Appearance is on a learnt scale too (`AppearanceScale`): -0.5 for strangers and 0.5 for the same person on
    average. What each choice brings is measured in docs/tracking_ablations.md.

    Attributes:
        association: "joint" matches by overlap and appearance together, then low scores, then recovers lost tracks
            by looks; "cascade" is the 2017 paper.
        kalman: "batched" (one filter for all tracks) or "filterpy" (the reference, slow).
        n_init: number of hits that confirm a track.
        early_doubt: two hits confirm it already where the learnt likelihoods that either is noise have a product
            below this; never beside a lost track, nor before much was seen. 0: never.
        early_time: two hits confirm it already where they lie at least this many seconds apart: at few frames per
            second noise is not seen twice at one place; never beside a lost track. 0: never.
        max_age: seconds that a confirmed track is kept unseen.
        tentative_age: seconds that an unconfirmed track is kept unseen.
        track_high_thresh: detections from this likelihood on enter the first round of matching.
        track_low_thresh: detections from this likelihood on enter the second round; lower ones are ignored.
        new_track_thresh: unmatched detections from this on start tracks.
        moving_track_thresh: unmatched detections from this on start tracks, too, but such a track, and every
            other then, is confirmed only once `new_track_thresh` was reached in two frames or it has left its place:
            signs look like people to some detectors, but they don't walk. None: no such tracks; a run sets it for
            detectors whose scores are known.
        moving_track_time: seconds after which a track that is still not confirmed is given up.
        upright_track_thresh: unmatched detections from this on start tracks, too, if their boxes are as narrow as that
            of somebody who stands. Such a track is confirmed once it has been seen for half a second with boxes and
            scores like this on average: most signs and cones that score so high are wider. None: no such tracks; a run
            sets it for detectors whose scores are known.
        track_low_time: seconds that a track may go on by detections of the second round alone: what stays longer is a
            bag or a sign in the place where somebody was seen last. None: for ever; a run sets it for
            detectors whose scores are known.
        adapt_scores: learn what scores mean; otherwise the thresholds are compared with plain scores.
        still_time: seconds from which a track that never left its place is no proof that its scores mean people: signs
            stay, too.
        position_noise: standard deviation of position, process and measurement, over the height (paper: 1/20).
        velocity_noise: standard deviation that velocity gains per 1/30 s, over the height (paper: 1/160).
        steady_jitter: mean distance of detections from predictions, over the height, at which the measurement
            noise is the paper's; a steadier detector gets less, a shakier one more. 0: always the paper's.
        appearance_weight: weight of appearance against overlap in the first round.
        match_score: least sum of IoU and weighted appearance of a pair in the first round.
        match_iou: IoU that a pair of the first round must exceed.
        low_iou: IoU that a pair of the second round must exceed.
        recover_appearance: least appearance plus 0.5 (0 strangers, 1 the same) for a track found again where it was
            expected.
        recover_distance: how much higher `recover_appearance` is at the rim of `recover_radius` than in its middle.
        recover_radius: radius around the prediction in which a track that was just lost is found again, in heights.
        recover_speed: heights per second by which `recover_radius` grows while the track is lost.
        new_track_iou: no track is born whose IoU plus weighted appearance with a live track exceeds this: it is one
            more box of the same person.
        new_track_appearance: the weight of appearance in the sum that `new_track_iou` bounds.
        feature_momentum: share of the old feature in the running mean of a track's embeddings.
        occlusion_iou: embeddings of detections that another track overlaps more than this are not learnt.
        report_coasting: also return tracks that were not seen in this frame, flagged.
        coast_time: seconds for which `report_coasting` returns a track that is not seen.
        gate: squared Mahalanobis distance beyond which a pair is impossible ("cascade").
        max_cosine_distance: largest cosine distance of a pair ("cascade").
        max_iou_distance: largest 1 - IoU of a pair ("cascade").
        budget: embeddings kept per track ("cascade").
        max_tracks: bound on the number of tracks; the longest unseen go first.
    """

    association: Literal["joint", "cascade"] = "joint"
    kalman: Literal["batched", "filterpy"] = "batched"
    n_init: int = 3
    early_doubt: float = 0.01
    early_time: float = 0.25
    max_age: float = 8.0
    tentative_age: float = 0.1
    track_high_thresh: float = 0.4
    track_low_thresh: float = 0.1
    new_track_thresh: float = 0.6
    moving_track_thresh: float | None = None
    moving_track_time: float = 10.0
    upright_track_thresh: float | None = None
    track_low_time: float | None = None
    adapt_scores: bool = True
    still_time: float = 10.0
    position_noise: float = 1 / 20
    velocity_noise: float = 1 / 160
    steady_jitter: float = 0.025
    appearance_weight: float = 1.0
    match_score: float = 0.15
    match_iou: float = 0.0
    low_iou: float = 0.4
    recover_appearance: float = 0.35
    recover_radius: float = 0.3
    recover_speed: float = 0.3
    recover_distance: float = 0.6
    new_track_iou: float = 0.5
    new_track_appearance: float = 1.0
    feature_momentum: float = 0.9
    occlusion_iou: float = 0.5
    report_coasting: bool = False
    coast_time: float = 0.7
    gate: float = 9.4877
    max_cosine_distance: float = 0.2
    max_iou_distance: float = 0.7
    budget: int = 100
    max_tracks: int = 5000

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            TrackerInputError: naming the setting.
        """
        for field in fields(DeepSortParams):
            _check(field.name, getattr(self, field.name))
        if self.track_low_thresh > self.track_high_thresh:
            low, high = self.track_low_thresh, self.track_high_thresh
            raise TrackerInputError(f"track_low_thresh {low} is above track_high_thresh {high}")

    @classmethod
    def classic(cls) -> DeepSortParams:
        """The 2017 paper: cascade, chi-square gate 9.4877, 100 embeddings per track, fixed thresholds."""
        return cls(
            association="cascade",
            adapt_scores=False,
            track_high_thresh=0.3,
            track_low_thresh=0.3,
            new_track_thresh=0.3,
            early_doubt=0.0,
            early_time=0.0,
            max_age=1.0,
            tentative_age=0.0,
            position_noise=1 / 20,
            velocity_noise=1 / 160,
            steady_jitter=0.0,
        )


_CHOICES = {"association": ("joint", "cascade"), "kalman": ("batched", "filterpy")}
_FLAGS = {"adapt_scores", "report_coasting"}
_COUNTS = {"n_init", "budget", "max_tracks"}
_POSITIVE = {"position_noise", "velocity_noise", "gate"}
SHARES = {
    "match_iou", "low_iou", "new_track_iou", "feature_momentum", "occlusion_iou", "max_iou_distance",
}  # fmt: skip
_OPTIONAL = {"moving_track_thresh", "upright_track_thresh", "track_low_time"}
_ANY_SIGN = {"match_score", "recover_appearance"}
_LARGEST_BUDGET = 10_000  # room for all of them is taken at once
_LARGEST = 1e9  # seconds, heights or weight; beyond it sums lose what they are made of


def _check(name: str, value: object) -> None:
    if name in _OPTIONAL and value is None:
        return
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise TrackerInputError(f"{name} must be one of {', '.join(_CHOICES[name])}, not {value!r}")
    elif name in _FLAGS:
        if not isinstance(value, bool):
            raise TrackerInputError(f"{name} must be true or false, not {value!r}")
    elif name in _COUNTS:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise TrackerInputError(f"{name} must be a whole number from 1 on, not {value!r}")
        if name == "budget" and value > _LARGEST_BUDGET:
            raise TrackerInputError(f"{name} must be at most {_LARGEST_BUDGET}, not {value!r}")
    else:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
            raise TrackerInputError(f"{name} must be a finite number, not {value!r}")
        if name not in _ANY_SIGN and (value < 0 or (name in _POSITIVE and value == 0)):
            raise TrackerInputError(f"{name} must be {'above 0' if name in _POSITIVE else 'at least 0'}, not {value!r}")
        most = 1 if name in SHARES else _LARGEST
        if abs(value) > most:
            bound = f"at most {most:g}" if value > 0 else f"at least {-most:g}"
            raise TrackerInputError(f"{name} must be {bound}, not {value!r}")
