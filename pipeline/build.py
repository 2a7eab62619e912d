"""Makes a run's parts from its configuration.

Parts that need no networks have a factory in their own folder, so that a program can use it without loading the
networks' libraries: `create_source` and `create_synchronizer` in sources/, `create_sinks` in sinks/ and
`create_identity_service` in identity/making.py. No other module makes a part from settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from relaytrack.pipeline import plugins
from relaytrack.pipeline.config.schema import DETECTORS, CameraConfig, Config
from relaytrack.pipeline.errors import DeviceError
from relaytrack.pipeline.events.watch import EventWatch
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.perception.detectors import create_detector
from relaytrack.pipeline.perception.detectors.base import Detector
from relaytrack.pipeline.perception.detectors.nanodet import NanoDet
from relaytrack.pipeline.perception.detectors.sizes import LIVE_RATE
from relaytrack.pipeline.perception.effort import Effort
from relaytrack.pipeline.perception.embedding_schedule import EmbeddingSchedule
from relaytrack.pipeline.perception.person_crops import Cropper
from relaytrack.pipeline.perception.stage import CropEmbedder, Perception
from relaytrack.pipeline.render.hidden_boxes import HiddenRecord
from relaytrack.pipeline.render.pictures import Pictures
from relaytrack.pipeline.render.places import Places
from relaytrack.pipeline.sources import is_live
from relaytrack.pipeline.sources.base import Source
from relaytrack.pipeline.tracking.backfill import EarlierBoxes
from relaytrack.pipeline.tracking.camera_motion import CameraMotion
from relaytrack.pipeline.tracking.session import CameraSession
from relaytrack.pipeline.tracking.tracker import Tracker
from relaytrack.reid import Embedder
from relaytrack.reid.device import resolve_device
from relaytrack.trackers import DeepSort

_MOST_STREAMS = 8
KNOWN_SCORES = {"moving_track_thresh": 0.5, "upright_track_thresh": 0.45, "track_low_time": 3.0}
"""Settings of the tracker for a detector whose scores are known: who is seen faintly but walks or stands upright is
followed, and a sign or bag is not taken for somebody who stood there."""


def inference_streams(config: Config, *, live: bool) -> int:
    """Return how many sets of frames the networks work on at the same time.

    On the CPU, one set per thread has a higher throughput than all threads on one set, because no thread waits for the
    others after each layer. But each set takes longer, too long for a live camera.

    Raises:
        DeviceError: the device is not there.
    """
    if config.run.inference_streams is not None:
        return config.run.inference_streams
    if live or _device(config) != "cpu":
        return 1
    return min(_threads(config), _MOST_STREAMS)


def create_perception(
    config: Config,
    streams: int = 1,
    *,
    detector: Detector | None = None,
    embedder: CropEmbedder | None = None,
    embed: bool = True,
) -> Perception:
    """Load the networks onto the configured device, to be called from `streams` threads at once.

    Args:
        config: the whole configuration.
        streams: threads that are to call it at once.
        detector: taken as it is instead of the configured one.
        embedder: the same.
        embed: off makes no embeddings.

    Raises:
        DeviceError: the device is not there or a network would not run on it.
        DetectorError: the detector's weights are missing or of another network.
        ReidError: the same of the embedder's.
    """
    device = _device(config)
    if streams > 1:  # each stream is a thread itself
        run = config.run.model_copy(update={"threads": max(1, _threads(config) - streams + 1)})
        config = config.model_copy(update={"run": run})
    if embedder is None and embed and config.embedder.name != "reid":
        embedder = plugins.create_embedder(config.embedder.name, config.embedder.options, device=device)
    elif embedder is None and embed:
        embedder = Embedder(
            config.embedder.weights,
            device=device,
            batch_size=config.embedder.batch_size,
            flip=config.embedder.flip,
            threads=config.run.threads,
            precision=config.embedder.precision,
        )
    if detector is None:
        if config.detector.backend in DETECTORS:
            detector = create_detector(config, device)
        else:
            detector = plugins.create_detector(config.detector.backend, config.detector.options, device=device)
    live = [camera for camera in config.cameras if is_live(camera, config.run)]
    if live and isinstance(embedder, Embedder):
        embedder.warm_up()
    if live and isinstance(detector, NanoDet):
        detector.keep_up(len(live), max(camera.max_fps or config.run.fps or LIVE_RATE for camera in live))
    return Perception(
        detector,
        embedder,
        None if embedder is None else Cropper(embedder.input_size, device),
        min_height=config.embedder.min_height,
        min_score=least_score(config, detector),
        streams=streams,
        schedule=EmbeddingSchedule(config.embedder.interval),
    )


def create_tracker(config: Config, detector: Detector | None, **overrides: Any) -> DeepSort:
    """A fresh tracker with the configured settings, fit for the detector's scores.

    Where the scale of a detector's scores is known, the tracker does not learn it (in a scene that shows mostly signs
    and cones it would learn a wrong one). The scores are then divided by `score_scale`.

    Args:
        config: the whole configuration.
        detector: where the scores come from; None where that is not known.
        overrides: settings that go before the configured ones.

    Raises:
        TrackerError: a setting that makes no sense.
    """
    if score_scale(config, detector) is not None:
        overrides["adapt_scores"] = False
        for name, value in KNOWN_SCORES.items():
            if getattr(config.tracker, name) is None:
                overrides.setdefault(name, value)
    return DeepSort(config.tracker, **overrides)


def create_session(
    config: Config,
    camera: CameraConfig,
    detector: Detector | None,
    *,
    source: Source | None = None,
    tracker: Tracker | None = None,
    keep_earlier: bool = False,
) -> CameraSession:
    """Everything that one camera needs to be tracked.

    Args:
        config: the whole configuration.
        camera: the camera.
        detector: where its detections come from; None where that is not known.
        source: hands out its frames.
        tracker: taken as it is, given the detector's own scores.
        keep_earlier: collect boxes from before a track's confirmation, for a run that ends.

    Raises:
        TrackerError: a setting that makes no sense.
    """
    if tracker is None and not config.tracker.is_ours:
        tracker = plugins.create_tracker(config.tracker.name, config.tracker.options, camera=camera)
    scale = 1.0 if tracker is not None else score_scale(config, detector) or 1.0
    return CameraSession(
        camera,
        create_tracker(config, detector) if tracker is None else tracker,
        source,
        score_scale=scale,
        motion=CameraMotion() if camera.moving else None,
        earlier=EarlierBoxes() if keep_earlier else None,
    )


def create_effort(perception: Perception) -> Effort:
    """What lets the networks do less in hard times."""
    return Effort(perception.detector, perception.schedule)


def create_event_watch(config: Config) -> EventWatch | None:
    """What makes events, for cameras that join later; None where `events.enabled` is off."""
    return EventWatch((), config.events) if config.events.enabled else None


def create_pictures(
    config: Config,
    *,
    live: bool,
    colors: IdentityColors | None = None,
    places: Mapping[str, Places] | None = None,
) -> Pictures:
    """What hides people and draws, as configured; `places` are the zones and lines to draw, by camera."""
    output = config.output
    record = None
    if output.anonymise is not None and output.dir is not None and not live:
        record = HiddenRecord(output.folder)
    return Pictures(output.anonymise, record, trail=output.trail, colors=colors, places=places)


def _device(config: Config) -> str:
    """The device of the networks.

    Raises:
        DeviceError: it is not there.
    """
    return resolve_device(config.run.device, key="run.device", error=DeviceError)


def _threads(config: Config) -> int:
    """CPU threads that the networks may use altogether."""
    if config.run.threads is not None:
        return config.run.threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def least_score(config: Config, detector: Detector | None) -> float:
    """The detector's score from which a person gets an embedding, in the detector's own scores."""
    if config.embedder.min_score is not None:
        return config.embedder.min_score
    return (score_scale(config, detector) or 0.0) * config.tracker.track_high_thresh


def score_scale(config: Config, detector: Detector | None) -> float | None:
    """What the detector's scores are to be divided by for the tracker, or None where the tracker must learn it."""
    scale: float | None = getattr(detector, "score_scale", None)
    return scale if config.tracker.adapt_scores else None
