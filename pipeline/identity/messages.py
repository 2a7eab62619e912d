"""What the identity service is told and what it answers: no pixels, small when pickled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.records import Floats, FrameInfo, Ints, half
from relaytrack.trackers import CameraTracks, Revision


@dataclass(frozen=True, slots=True)
class TrackletMessage:
    """One camera's confirmed tracks in one step.

    Attributes:
        frame: the frame's facts.
        ids: (N,) int64, the camera's track ids, each at most once.
        xyxy: (N, 4) float32 boxes in pixels of the source's full picture.
        scores: (N,) float32 detection scores, 0..1.
        embeddings: (N, D) float32, L2-normalised, a row of NaN where there is none; float16 when pickled.
    """

    frame: FrameInfo
    ids: Ints
    xyxy: Floats
    scores: Floats
    embeddings: Floats

    def view(self) -> CameraTracks:
        """The message as the association takes it."""
        (x, y), (width, height) = self.frame.roi_origin, self.frame.size
        return CameraTracks(
            camera=self.frame.camera,
            time=self.frame.time,
            ids=self.ids,
            xyxy=self.xyxy,
            scores=self.scores,
            embeddings=self.embeddings,
            image_size=(x + width, y + height),
            origin=(x, y),
        )

    def of(self, rows: NDArray[np.bool_]) -> TrackletMessage:
        """The message with some of its tracks, (N,) which."""
        if rows.all():
            return self
        return TrackletMessage(self.frame, self.ids[rows], self.xyxy[rows], self.scores[rows], self.embeddings[rows])

    def __reduce__(self) -> tuple[Any, ...]:
        return _message, (self.frame, self.ids, self.xyxy, self.scores, half(self.embeddings))


def _message(
    frame: FrameInfo, ids: Ints, xyxy: Floats, scores: Floats, vectors: NDArray[np.float16]
) -> TrackletMessage:
    return TrackletMessage(frame, ids, xyxy, scores, vectors.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class IdentityAnswer:
    """What the service answers to one step.

    Attributes:
        global_ids: for each message, in the order given, (N,) identities of its tracks; 0 where none is known.
        track_ids: for each message, (N,) ids under which its tracks are known from now on: those given, or other
            ones where a track jumped from one person to another.
        revisions: corrections of what was said before.
    """

    global_ids: tuple[Ints, ...]
    track_ids: tuple[Ints, ...]
    revisions: tuple[Revision, ...] = ()
