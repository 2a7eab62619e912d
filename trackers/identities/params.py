"""The settings of the association of identities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from relaytrack.trackers.errors import TrackerInputError

_POSITIVE = (
    "gallery", "max_identities", "window", "bank", "max_tracks", "feet_speed", "return_ratio",
    "revise_every",
)  # fmt: skip
_NOT_NEGATIVE = (
    "max_age",
    "horizon",
    "stability",
    "time_weight",
    "crowd_margin",
    "motion_weight",
    "motion_horizon",
    "ground_weight",
    "min_quality",
    "prior_weight",
    "centre_weight",
)
_AT_MOST = {"gallery": 10_000, "bank": 1_000, "min_quality": 1.0}
"""Room for galleries and banks is taken at once; a quality lies in 0..1."""
_LARGEST = 1e9  # seconds or weight; beyond it sums lose what they are made of
_WHOLE = ("gallery", "bank", "max_identities", "max_tracks", "window")
_FLAGS = ("refine", "split_switched_tracks", "duplicates")
_OPTIONAL = ("threshold", "return_ratio")
_NUMBERS = tuple(sorted({*_POSITIVE, *_NOT_NEGATIVE, *_OPTIONAL, "margin"} - {*_WHOLE}))


@dataclass(frozen=True, slots=True)
class IdentityParams:
    """How tracks of all cameras become identities. The defaults are what is measured.

    Evidence adds up to a score, counted in standard deviations of the normalised similarity of strangers.

    Attributes:
        method: "joint" (all evidence, joint assignment, corrections) or "appearance" (the baseline: each new
            track greedily takes the most alike identity above a fixed threshold).
        threshold: cosine similarity of equal error rates, from which two crops count as one person; None: the
            threshold that was calibrated with the weights, which the pipeline puts here. "joint" takes from it
            how widely strangers' similarities spread, until it has seen enough of them; "appearance" takes it
            as it is (0.5 without one).
        margin: score above strangers from which two groups of tracks become one identity.
        crowd_margin: how much higher `margin` is for every factor e by which the window's tracks exceed 50.
        gallery: tracks kept per identity that is older than the horizon.
        bank: diverse embeddings kept per track.
        max_identities: identities remembered; the longest unseen are forgotten first.
        max_age: seconds after which an unseen identity is forgotten; 0 to keep all.
        max_tracks: tracks whose identity is remembered for the end of the run.
        horizon: seconds for which the identity of a track that has ended may still be corrected.
        window: tracks that may be corrected at the same time, the most recent ones.
        revise_every: seconds between two corrections; longer with many tracks (cost grows as their square).
        stability: score added for two tracks that share an identity already, so that it changes rarely.
        refine: keep every track open to correction to the end of the run (files; memory grows).
        min_quality: crops below it do not enter a track's embeddings once it has better ones.
        normalise: "cohort" (camera means removed, similarity against the most alike strangers of the other
            camera), "centre" (camera means removed only) or "none" (plain cosine); for ablation.
        prior_weight: strangers that the assumed distribution counts for beside those of the run.
        centre_weight: tracks that the mean over all cameras counts for beside a camera's own.
        time_weight: weight of the times between sightings, assumed and learned; 0 to ignore them.
        return_ratio: how likely, against chance, it is assumed that somebody who walked out of the pictures
            comes back long after; near 0, such a person gets a new identity; 1 makes no difference. What is
            learned from the run replaces it. None: 0.001, for recordings of passers-by. `relaytrack serve` takes
            0.3 then, for at a site people come back.
        travel_times: known ways, rows of (from camera, to camera, least seconds, most seconds): tracks
            further apart or closer in time are different people. Other pairs of cameras are learned.
        motion_weight: weight of taking up a lost track's motion in the same camera (or on the ground).
        motion_horizon: seconds for which a lost track's motion is carried on.
        ground_weight: weight of where people stand at the same moment on calibrated cameras' common floor.
        split_switched_tracks: where calibrated cameras show that a track jumped to another person, go on as a new
            track.
        feet_speed: metres per second that a person may walk, for the ground.
        duplicates: allow two tracks of one frame to be one person when their boxes coincide throughout.
    """

    method: Literal["joint", "appearance"] = "joint"
    threshold: float | None = None
    margin: float = 2.75
    crowd_margin: float = 0.4
    gallery: int = 8
    bank: int = 4
    max_identities: int = 10_000
    max_age: float = 86_400.0
    max_tracks: int = 200_000
    horizon: float = 14_400.0
    window: int = 2_000
    revise_every: float = 2.0
    stability: float = 0.2
    refine: bool = False
    min_quality: float = 0.2
    normalise: Literal["cohort", "centre", "none"] = "cohort"
    prior_weight: float = 20.0
    centre_weight: float = 5.0
    time_weight: float = 1.5
    return_ratio: float | None = None
    travel_times: tuple[tuple[str, str, float, float], ...] = ()
    motion_weight: float = 0.5
    motion_horizon: float = 6.0
    ground_weight: float = 1.0
    split_switched_tracks: bool = True
    feet_speed: float = 2.0
    duplicates: bool = True

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            TrackerInputError: naming the field.
        """
        if self.method not in ("joint", "appearance"):
            raise TrackerInputError(f"identities.method: {self.method!r} is neither 'joint' nor 'appearance'")
        if self.normalise not in ("cohort", "centre", "none"):
            raise TrackerInputError(f"identities.normalise: {self.normalise!r} is not cohort, centre or none")
        for name in _WHOLE:
            if isinstance(value := getattr(self, name), bool) or not isinstance(value, int):
                raise TrackerInputError(f"identities.{name}: must be a whole number, not {value!r}")
        for name in _FLAGS:
            if not isinstance(value := getattr(self, name), bool):
                raise TrackerInputError(f"identities.{name}: must be true or false, not {value!r}")
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise TrackerInputError(f"identities.{name}: must be a finite number, not {value!r}")
        if self.threshold is not None and not -1.0 <= self.threshold <= 1.0:
            raise TrackerInputError("identities.threshold: a cosine similarity lies in -1..1")
        if not isinstance(self.travel_times, tuple | list):
            raise TrackerInputError("identities.travel_times: must be a list of ways")
        for way in self.travel_times:
            if not _is_way(way):
                raise TrackerInputError(
                    f"identities.travel_times: {way!r} is not from camera, to camera, least and most seconds"
                )
        for name in _POSITIVE:
            if (value := getattr(self, name)) is not None and not value > 0:
                raise TrackerInputError(f"identities.{name}: must be greater than 0")
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise TrackerInputError(f"identities.{name}: must not be negative")
        for name in (*_AT_MOST, *_NUMBERS):
            value, most = getattr(self, name), _AT_MOST.get(name, _LARGEST)
            if value is not None and value > most:
                raise TrackerInputError(f"identities.{name}: must be at most {most:g}, not {value!r}")
        if self.margin < -_LARGEST:
            raise TrackerInputError(f"identities.margin: must be at least {-_LARGEST:g}, not {self.margin!r}")


def _is_way(way: Any) -> bool:
    """Whether a row is (from camera, to camera, least seconds, most seconds)."""
    if not isinstance(way, tuple | list) or len(way) != 4:
        return False
    *cameras, least, most = way
    return (
        all(isinstance(camera, str) for camera in cameras)
        and all(isinstance(limit, int | float) for limit in (least, most))
        and least <= most
    )
