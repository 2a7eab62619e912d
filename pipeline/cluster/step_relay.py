"""A sink on a machine of the cluster: makes its steps ready for the machine that serves the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from relaytrack.pipeline.cluster.answers import Rgb
from relaytrack.pipeline.cluster.asked import AskedEmbeddings
from relaytrack.pipeline.cluster.outbox import Outbox
from relaytrack.pipeline.cluster.relayed_step import RelayedStep, message_of
from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.palette import IdentityColors, identity_color
from relaytrack.pipeline.records import FrameTracks, Image, Step
from relaytrack.pipeline.remembered import RecentMap
from relaytrack.pipeline.render.jpeg import jpeg
from relaytrack.pipeline.server.live_sighting import BETTER
from relaytrack.pipeline.sinks.crop_quality import CropJudge
from relaytrack.pipeline.sinks.crops import cut

STEP = 0
"""Kind of the messages with steps."""
_KNOWN = 60.0  # seconds unseen after which a track's best picture and the note that its colour was sent are dropped


@dataclass(slots=True)
class _Camera:
    """What is kept of one camera: who judges its boxes, how good each track's best picture is, what was sent."""

    judge: CropJudge
    asked: AskedEmbeddings
    best: RecentMap[int, float]


class StepRelay:
    """Sends each step of a machine, with people's new best pictures, to the machine that serves the site.

    Args:
        outbox: where the steps go.
        colors: of the identities.
    """

    name = "steps"
    needs_pixels = True

    def __init__(self, outbox: Outbox, colors: IdentityColors) -> None:
        self._outbox, self._colors = outbox, colors
        self._cameras: dict[str, _Camera] = {}
        self._told = RecentMap[int, Rgb](_KNOWN)

    def write(self, step: Step) -> None:
        """Send a step."""
        crops: dict[tuple[str, int], tuple[float, bytes]] = {}
        tracks = []
        for one in step:
            name = one.frame.camera
            camera = self._cameras.get(name)
            if camera is None:
                camera = self._cameras[name] = _Camera(CropJudge(), AskedEmbeddings(), RecentMap[int, float](_KNOWN))
            best = self._best(camera, one, step.images.get(name))
            crops |= {(name, track): picture for track, picture in best.items()}
            tracks.append(replace(one, embeddings=camera.asked.choose(message_of(one)).embeddings))
            camera.best.pass_time(one.frame.time)
        relayed = RelayedStep(Step(step.time, tuple(tracks), step.revisions, step.events, crops=crops), self._new(step))
        self._outbox.put(STEP, relayed.to_bytes())

    @staticmethod
    def _best(camera: _Camera, tracks: FrameTracks, image: Image | None) -> dict[int, tuple[float, bytes]]:
        """The pictures that are better than all before of their tracks."""
        found: dict[int, tuple[float, bytes]] = {}
        quality = camera.judge.judge(tracks)
        for row, track in enumerate(tracks.ids.tolist()):
            before, good = camera.best.get(track, 0.0), float(quality[row])
            part = cut(image, tracks.xyxy[row]) if image is not None and good > before * BETTER else None
            if part is not None:
                found[track] = good, jpeg(part)
            camera.best[track] = before if part is None else good
        return found

    def _new(self, step: Step) -> Mapping[int, Rgb]:
        """The unusual colours of people who are shown for the first time, or got another number."""
        shown = {int(identity) for one in step for identity in np.unique(one.global_ids)}
        shown |= {change.new for change in step.revisions}
        colors = {identity: self._colors.of(identity) for identity in sorted(shown)}
        new = {}
        for identity, color in colors.items():
            if self._told.get(identity, identity_color(identity)) != color:
                new[identity] = color
            self._told[identity] = color
        self._told.pass_time(step.time)
        return new

    def camera_added(self, camera: CameraConfig) -> None:
        """Nothing to do before its first frame."""

    def camera_removed(self, name: str) -> None:
        """Its tracks begin anew if it comes again."""
        self._cameras.pop(name, None)

    def close(self) -> None:
        """Nothing is open."""
