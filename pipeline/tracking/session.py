"""From observations to tracks with identities: one tracker per camera, one association over all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from relaytrack.pipeline.perception.stage import Observation
from relaytrack.pipeline.records import FrameTracks
from relaytrack.pipeline.tracking.backfill import EarlierBoxes
from relaytrack.pipeline.tracking.camera_motion import CameraMotion
from relaytrack.trackers import (
    CameraTracks,
    DeepSort,
    DeepSortParams,
    IdentityAssociator,
    IdentityStore,
    Revision,
    TrackResult,
)


class Follower:
    """Follows people through the frames of every camera and across cameras.

    Args:
        cameras: the cameras' names.
        tracker: the settings of each camera's tracker.
        associator: joins the cameras' tracks into identities.
        score_scale: detection scores are divided by it for the tracker's thresholds.
        keep_earlier: collect the boxes from before a track's confirmation (of a run that ends).
        store: the associator's store of identities, closed with the follower.
        moving: cameras that move themselves.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        tracker: DeepSortParams,
        associator: IdentityAssociator,
        *,
        score_scale: float = 1.0,
        keep_earlier: bool = False,
        store: IdentityStore | None = None,
        moving: Collection[str] = (),
    ) -> None:
        self._trackers = {camera: DeepSort(tracker, report_coasting=False) for camera in cameras}
        self._associator = associator
        self._score_scale = score_scale
        self._store = store
        self._motions = {camera: CameraMotion() for camera in moving}
        self._revisions: deque[Revision] = deque(maxlen=100_000)
        self.earlier = {camera: EarlierBoxes() for camera in cameras} if keep_earlier else {}

    def follow(self, observations: Sequence[Observation]) -> tuple[FrameTracks, ...]:
        """Take one moment's observations and return each frame's confirmed tracks with their identities."""
        tracked = [(seen, self._track(seen)) for seen in observations]
        step = self._associator.update([_view(seen, result) for seen, result in tracked])
        self._revisions.extend(step.revisions)
        return tuple(
            FrameTracks(
                frame=seen.frame,
                ids=tracks,
                global_ids=ids,
                xyxy=result.xyxy,
                scores=seen.detections.scores[result.indices],
                detections=seen.detections,
                embeddings=seen.embeddings[result.indices],
            )
            for (seen, result), ids, tracks in zip(tracked, step.global_ids, step.track_ids, strict=True)
        )

    def _track(self, seen: Observation) -> TrackResult:
        frame, found = seen.frame, seen.detections
        height, width = frame.image.shape[:2]
        tracker = self._trackers[frame.camera]
        motion = self._motions.get(frame.camera)
        result = tracker.update(
            found.xyxy,
            found.scores / self._score_scale,
            seen.embeddings,
            frame.time,
            frame_size=(width, height),
            warp=None if motion is None else motion.follow(frame.image, found.xyxy),
        )
        if frame.camera in self.earlier:
            self.earlier[frame.camera].saw(frame)
            self.earlier[frame.camera].add(tracker.pop_backfill(), frame.origin, self._score_scale)
        return result

    def take_revisions(self) -> list[Revision]:
        """Hand over the corrections since the last call, in order; safe from another thread."""
        return [self._revisions.popleft() for _ in range(len(self._revisions))]

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()

    def final_identities(self) -> Mapping[tuple[str, int], int]:
        """Return the identity of every (camera, track id), after all corrections."""
        return self._associator.finalize()


def _view(seen: Observation, result: TrackResult) -> CameraTracks:
    """Tell the association what one camera's tracker found, in pixels of the source's full picture."""
    frame = seen.frame
    height, width = frame.image.shape[:2]
    x, y = frame.origin
    return CameraTracks(
        camera=frame.camera,
        time=frame.time,
        ids=result.ids,
        xyxy=result.xyxy + np.array([x, y, x, y], np.float32),
        scores=seen.detections.scores[result.indices],
        embeddings=seen.embeddings[result.indices],
        image_size=(x + width, y + height),
        origin=(x, y),
    )
