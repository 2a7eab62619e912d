"""Builds the stages from the configuration; the only place that knows both."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from relaytrack.pipeline.config.device import resolve_device
from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.perception.detectors import create_detector
from relaytrack.pipeline.perception.detectors.base import Detector
from relaytrack.pipeline.perception.person_crops import Cropper
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.tracking.session import Follower
from relaytrack.reid import Embedder
from relaytrack.trackers import GroundPlane, IdentityAssociator, IdentityStore

_MOST_LANES = 8


def lanes_of(config: Config, *, live: bool) -> int:
    """Return how many moments the networks shall work on side by side.

    On the CPU a moment per thread gets through more than all threads on one moment, since none waits for the
    others after every layer; but each moment takes longer, which a live camera has no time for.

    Raises:
        DeviceError: the device is not there.
    """
    if config.run.lanes is not None:
        return config.run.lanes
    if live or resolve_device(config.run.device) != "cpu":
        return 1
    return min(_threads(config), _MOST_LANES)


def create_perception(config: Config, lanes: int = 1) -> Perception:
    """Load the networks onto the configured device, to be called from `lanes` threads at once.

    Raises:
        DeviceError: the device is not there or a network would not run on it.
        DetectorError: the detector's weights are missing or of another network.
        ReidError: the same of the embedder's.
    """
    device = resolve_device(config.run.device)
    if lanes > 1:  # each lane is a thread itself
        run = config.run.model_copy(update={"threads": max(1, _threads(config) - lanes + 1)})
        config = config.model_copy(update={"run": run})
    embedder = Embedder(
        config.embedder.weights,
        device=device,
        batch_size=config.embedder.batch_size,
        flip=config.embedder.flip,
        threads=config.run.threads,
    )
    detector = create_detector(config, device)
    min_score = config.embedder.min_score
    if min_score is None:
        min_score = (_known_scale(config, detector) or 0.0) * config.tracker.high_score
    return Perception(
        detector,
        embedder,
        Cropper(embedder.input_size, device),
        min_height=config.embedder.min_height,
        min_score=min_score,
        lanes=lanes,
    )


def create_follower(
    config: Config,
    perception: Perception,
    *,
    planes: Mapping[str, GroundPlane] | None = None,
    keep_earlier: bool = False,
) -> Follower:
    """Make the trackers and the association; `planes` as of `ground_planes`, read here where they are not given.

    Two things come from the networks where the configuration leaves them open: the calibrated same-person
    threshold of the embedder's weights, and the scale of the detector's scores where it is known (in a scene that
    shows mostly signs and cones the tracker would learn a wrong one).

    Raises:
        TrackerError: a setting that makes no sense.
    """
    identities = config.identities
    threshold = getattr(perception.embedder, "threshold", None)
    if identities.threshold is None and threshold is not None:
        identities = dataclasses.replace(identities, threshold=threshold)
    tracker = config.tracker
    scale = _known_scale(config, perception.detector)
    if scale is not None:
        tracker = dataclasses.replace(tracker, adapt_scores=False)
    store = None if config.output.store is None else IdentityStore(config.output.store)
    planes = ground_planes(config) if planes is None else planes
    associator = IdentityAssociator(identities, calibrations=planes, store=store)
    names = [camera.name for camera in config.cameras]
    for first, second, *_ in identities.travel_times:
        for name in {first, second} - set(names):
            raise ConfigError(f"identities.travel_times: there is no camera {name!r}")
    return Follower(
        names,
        tracker,
        associator,
        score_scale=scale or 1.0,
        keep_earlier=keep_earlier,
        store=store,
        moving=[camera.name for camera in config.cameras if camera.moving],
    )


def _threads(config: Config) -> int:
    """CPU threads that the networks may use altogether."""
    if config.run.threads is not None:
        return config.run.threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _known_scale(config: Config, detector: Detector) -> float | None:
    """What the detector's scores are to be divided by for the tracker, or None where the tracker must learn it."""
    scale: float | None = getattr(detector, "score_scale", None)
    return scale if config.tracker.adapt_scores else None
