"""The baseline: each new track takes the most alike identity, greedily, above a fixed threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.params import IdentityParams
from relaytrack.trackers.identities.types import CameraTracks, Floats, IdentityStep, TrackKey


class GreedyAppearance:
    """Association by appearance alone, for comparison with `JointAssociator`.

    A track is decided once, at its first embedding (without one it founds an identity at once). Identities
    are the mean of their embeddings, and one identity is never given to two tracks of one frame.
    """

    def __init__(self, params: IdentityParams) -> None:
        self._params = params
        self._threshold = 0.5 if params.threshold is None else params.threshold
        self._of_track: dict[TrackKey, int] = {}
        self._sums: dict[int, Floats] = {}
        self._seen: dict[int, float] = {}
        self._next = 1

    def update(self, views: Sequence[CameraTracks]) -> IdentityStep:
        """Decide the identities of one time step; see `IdentityAssociator.update`."""
        self._check_lengths(views)
        out = []
        for view in views:
            keys = [(view.camera, int(track)) for track in view.ids]
            taken = {self._of_track[key] for key in keys if key in self._of_track}
            for row in np.argsort(-view.scores, kind="stable").tolist():
                key, feature = keys[row], view.embeddings[row]
                usable = feature.size > 0 and bool(np.isfinite(feature).all())
                identity = self._of_track.get(key)
                if identity is None:
                    identity = self._closest(feature, taken) if usable else None
                    if identity is None:
                        identity, self._next = self._next, self._next + 1
                    taken.add(identity)
                self._of_track.pop(key, None)  # to the end: the tracks updated last are kept longest
                self._of_track[key] = identity
                if usable:
                    self._sums[identity] = self._sums.get(identity, np.zeros_like(feature)) + feature
                if identity in self._sums:
                    self._seen[identity] = view.time
            out.append(np.array([self._of_track[key] for key in keys], np.int64))
        self._forget()
        return IdentityStep(tuple(out), track_ids=tuple(view.ids for view in views))

    def _check_lengths(self, views: Sequence[CameraTracks]) -> None:
        """Refuse embeddings of another length than before, before anything is learned.

        Raises:
            TrackerInputError: naming the camera.
        """
        known = next((len(total) for total in self._sums.values()), 0)
        for view in views:
            length = view.embeddings.shape[1] if len(view) else 0
            if length and known and length != known:
                raise TrackerInputError(
                    f"camera {view.camera}: embeddings have {length} numbers, those before had {known}"
                )
            known = known or length

    def forget(self, identities: set[int], tracks: Mapping[TrackKey, tuple[float, float]]) -> None:
        """Erase people; see `IdentityAssociator.forget`."""
        gone = {key for key, identity in self._of_track.items() if identity in identities or key in tracks}
        for identity in identities | {self._of_track[key] for key in gone}:  # one sum cannot be taken apart
            self._sums.pop(identity, None)
            self._seen.pop(identity, None)
        for key in gone:
            del self._of_track[key]

    def finalize(self) -> dict[TrackKey, int]:
        """The identity of every track seen."""
        return dict(self._of_track)

    def _closest(self, feature: Floats, taken: set[int]) -> int | None:
        names = [identity for identity in self._sums if identity not in taken]
        if not names:
            return None
        means = np.stack([self._sums[identity] for identity in names])
        similarity = means @ feature / np.maximum(np.linalg.norm(means, axis=1), 1e-12)
        best = int(similarity.argmax())
        return names[best] if similarity[best] >= self._threshold else None

    def _forget(self) -> None:
        surplus = len(self._sums) - self._params.max_identities
        if surplus > 0:
            for identity in sorted(self._sums, key=lambda name: (self._seen[name], name))[:surplus]:
                del self._sums[identity], self._seen[identity]
        while len(self._of_track) > self._params.max_tracks:
            del self._of_track[next(iter(self._of_track))]
