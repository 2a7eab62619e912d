"""Everything that belongs to one camera while it is in the run."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.identity.messages import TrackletMessage
from relaytrack.pipeline.records import FrameTracks, Ints, Observation
from relaytrack.pipeline.sources.base import Source
from relaytrack.pipeline.tracking.backfill import EarlierBoxes
from relaytrack.pipeline.tracking.camera_motion import CameraMotion
from relaytrack.pipeline.tracking.carrying import CarriedBoxes
from relaytrack.pipeline.tracking.earlier_looks import EarlierLooks
from relaytrack.pipeline.tracking.tracker import Tracker, run_tracker


@dataclass(slots=True)
class SessionStats:
    """What the tracker of a camera has seen.

    Attributes:
        frames: frames tracked.
        tracks: confirmed tracks so far; highest: the highest track id so far.
    """

    frames: int = 0
    tracks: int = 0
    highest: int = 0


@dataclass(slots=True)
class CameraSession:
    """One camera: its source, its tracker and what they need.

    Attributes:
        config: the camera's settings.
        tracker: follows the people of this camera.
        source: hands out its frames; None where frames come from elsewhere.
        score_scale: detection scores are divided by it for the tracker's thresholds; above 1 they count as 1.
        motion: estimates how the camera itself moves; None where it stands.
        earlier: collects boxes from before a track's confirmation, in a run that ends; else None.
        first_id: added to the tracker's ids, so that a camera that was there before makes new ones.
        stats: counts.
        paused: frames are not taken at present.
        carried: the tracks of the last frame that was looked at.
        looks: the embeddings of the last frames, for tracks that lack one when they are confirmed.
    """

    config: CameraConfig
    tracker: Tracker
    source: Source | None = None
    score_scale: float = 1.0
    motion: CameraMotion | None = None
    earlier: EarlierBoxes | None = None
    first_id: int = 0
    stats: SessionStats = field(default_factory=SessionStats)
    paused: bool = False
    carried: CarriedBoxes = field(default_factory=CarriedBoxes)
    looks: EarlierLooks = field(default_factory=EarlierLooks)

    @property
    def name(self) -> str:
        """The camera's name."""
        return self.config.name

    def track(self, seen: Observation) -> tuple[TrackletMessage, FrameTracks]:
        """Take in one observation.

        Returns:
            What the identity service is to be told, and the frame's tracks, identities still 0. Tracks that were not
            seen in this frame are in neither.

        Raises:
            TrackerError: from the tracker.
            InputError: a tracker of somebody else's returned what cannot be read.
        """
        if not seen.looked:
            return self._carried(seen)
        frame, found = seen.frame, seen.detections
        warp = None
        if self.motion is not None and seen.image is not None:
            warp = self.motion.follow(seen.image, found.xyxy)
        result = run_tracker(
            self.tracker,
            found.xyxy,
            np.clip(found.scores / self.score_scale, 0.0, 1.0),
            seen.embeddings,
            frame.time,
            frame_size=frame.size,
            warp=warp,
        )
        if self.earlier is not None:
            self.earlier.saw(frame, found, result.indices[result.indices >= 0], self.score_scale)
            if result.earlier is not None:
                self.earlier.add(result.earlier, frame.roi_origin, self.score_scale, self.first_id)
        seen_now = result.indices >= 0
        ids: Ints = result.ids[seen_now] + self.first_id
        boxes, rows = result.xyxy[seen_now], result.indices[seen_now]
        self._count(ids)
        scores, embeddings = found.scores[rows], seen.embeddings[rows]
        self.looks.saw(seen.embeddings)
        if result.earlier is not None:
            self.looks.fill(result.ids[seen_now], embeddings, result.earlier)
        tracks = FrameTracks(frame, ids, np.zeros(len(ids), np.int64), boxes, scores, found, embeddings)
        self.carried.saw(tracks)
        return _message(tracks), tracks

    def _carried(self, seen: Observation) -> tuple[TrackletMessage, FrameTracks]:
        """The same for a frame in which nobody was looked for: tracks go on as they moved."""
        tracks = self.carried.at(seen.frame)
        self._count(tracks.ids)
        return _message(tracks), tracks

    def _count(self, ids: Ints) -> None:
        self.stats.frames += 1
        if len(ids):
            self.stats.tracks += int(np.count_nonzero(ids > self.stats.highest))
            self.stats.highest = max(self.stats.highest, int(ids.max()))

    def close(self) -> None:
        """Let go of the source."""
        if self.source is not None:
            self.source.close()


def _message(tracks: FrameTracks) -> TrackletMessage:
    x, y = tracks.frame.roi_origin
    shifted = tracks.xyxy + np.array([x, y, x, y], np.float32)
    return TrackletMessage(tracks.frame, tracks.ids, shifted, tracks.scores, tracks.embeddings)
