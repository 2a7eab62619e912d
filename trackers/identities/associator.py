"""The interface of the association of identities: what a pipeline calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from relaytrack.trackers.arrays import seconds, with_overrides
from relaytrack.trackers.errors import TimeError, TrackerInputError
from relaytrack.trackers.identities.arguments import (
    ground_plane,
    ground_planes,
    identity_set,
    known_people,
    list_of_views,
    track_spans,
)
from relaytrack.trackers.identities.baseline import GreedyAppearance
from relaytrack.trackers.identities.ground_plane import GroundPlane
from relaytrack.trackers.identities.joint import JointAssociator
from relaytrack.trackers.identities.params import IdentityParams
from relaytrack.trackers.identities.store import IdentityStore
from relaytrack.trackers.identities.types import CameraTracks, Floats, IdentityStep, Ints, TrackKey, camera_name

TUNABLE = ("margin", "crowd_margin", "stability", "time_weight", "motion_weight", "ground_weight")
"""Settings that can change while tracks are followed."""


class IdentityAssociator:
    """Gives the tracks of all cameras identities: the same person, the same number, everywhere.

    Args:
        params: settings; the defaults are what is measured.
        calibrations: the ground plane of each calibrated camera, all in one world frame (metres).
        store: where identities outlive the process; None keeps them in memory.
        max_late: seconds by which a camera may be behind the newest one.
        overrides: single fields of `params`.

    Raises:
        TrackerInputError: a setting that makes no sense.
    """

    def __init__(
        self,
        params: IdentityParams | None = None,
        *,
        calibrations: Mapping[str, GroundPlane] | None = None,
        store: IdentityStore | None = None,
        max_late: float = 1.0,
        **overrides: Any,
    ) -> None:
        self.params = with_overrides(IdentityParams, params, overrides)
        if isinstance(max_late, bool) or not isinstance(max_late, int | float) or not 0 <= max_late < np.inf:
            raise TrackerInputError(f"max_late must be a number of seconds from 0 on, not {max_late!r}")
        if store is not None and not isinstance(store, IdentityStore):
            raise TrackerInputError(f"store is an IdentityStore (IdentityStore(FILE) opens one), not {store!r}")
        self.calibrations = ground_planes(calibrations)
        self._backend: GreedyAppearance | JointAssociator
        if self.params.method == "appearance":
            self._backend = GreedyAppearance(self.params)
        else:
            self._backend = JointAssociator(self.params, self.calibrations, store)
        self._time = -np.inf
        self._max_late = max_late

    def update(self, views: Sequence[CameraTracks]) -> IdentityStep:
        """Decide one time step for all its cameras together.

        Args:
            views: each camera's confirmed tracks updated at this step, a camera at most once. Their times
                may differ by the cameras' frame period; none may be more than `max_late` behind the newest so far.

        Raises:
            TrackerInputError: arrays of wrong shape or type; what is no `CameraTracks`. The step is left out whole.
            TimeError: time went back by more than `max_late`.
        """
        newest, checked = self._time, list_of_views(views)
        for view in checked:
            if view.time < newest - self._max_late:
                raise TimeError(f"camera {view.camera}: time went back from {newest:.3f} to {view.time:.3f} s")
            newest = max(newest, view.time)
        step = self._backend.update(checked)
        self._time = newest
        return step

    def calibrate(self, camera: str, plane: GroundPlane | None) -> None:
        """Set the ground plane of a camera from now on, also while tracks are followed; None takes it away.

        What was seen before stays as it was judged. "appearance" uses no ground planes.

        Raises:
            TrackerInputError: something else than a ground plane.
        """
        camera_name(camera)
        if plane is None:
            self.calibrations.pop(camera, None)
        else:
            self.calibrations[camera] = ground_plane(camera, plane)
        if isinstance(self._backend, JointAssociator):
            self._backend.calibrate(camera, plane)

    def tune(self, **weights: Any) -> None:
        """Go on with other weights; identities stay, and may be corrected by the new ones.

        Args:
            weights: those of the settings that are named in `TUNABLE`. The method "appearance" uses none of them.

        Raises:
            TrackerInputError: another setting, or a value that makes no sense.
        """
        unknown = set(weights) - set(TUNABLE)
        if unknown:
            raise TrackerInputError(f"identities.{sorted(unknown)[0]} cannot change while tracks are followed")
        self.params = replace(self.params, **weights)
        if isinstance(self._backend, JointAssociator):
            self._backend.tune(self.params)

    def forget(self, identities: Iterable[int], tracks: Mapping[TrackKey, tuple[float, float]] | None = None) -> None:
        """Erase people: from memory, and from the store.

        A track that is still followed must not be given to `update` again, or it is somebody new.

        Args:
            identities: whom.
            tracks: single tracks besides, by (camera, track id), with the first and last time at which they were seen
                (infinite if not known); the identity that they belong to stays, with what its other tracks in the store
                tell of it.

        Raises:
            TrackerInputError: identities that are no whole numbers, tracks that are none; nobody is erased then.
            TimeError: a track's time is no number.
            StoreError: the store cannot be written.
        """
        self._backend.forget(identity_set(identities), track_spans(tracks))

    def remember(self, identities: Ints, features: Floats, time: float) -> None:
        """Add people that are known already. The method "appearance" ignores them: it starts without known people.

        Args:
            identities: (N,) their numbers; new people get higher ones.
            features: (N, D) embeddings, L2-normalised, their camera's mean removed.
            time: when they were last seen, seconds on the run's clock.

        Raises:
            TrackerInputError: not one embedding of finite numbers for each identity, an identity below 1 or given
                twice, or embeddings of another length than those before.
            TimeError: `time` is no number.
        """
        identities, features = known_people(identities, features)
        time = seconds(time)
        if isinstance(self._backend, JointAssociator):
            self._backend.remember(identities, features, time)

    @property
    def correcting(self) -> bool:
        """Whether a correction of all tracks goes on over several steps; a pickle made now leaves it out."""
        return isinstance(self._backend, JointAssociator) and self._backend.correcting

    def finalize(self) -> dict[TrackKey, int]:
        """The identity of every track of the run, (camera, track id) -> identity, after all corrections."""
        return self._backend.finalize()
