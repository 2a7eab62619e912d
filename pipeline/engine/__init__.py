"""The engine: joins the stages, and carries a run out on threads of its own.

    cameras -> FrameSynchronizer -> Perception (detect, embed) -> MultiCameraTracker -> SinkHost -> sinks

Each arrow is a bounded queue and each stage has its own thread (the networks of a recording several), so decoding,
the networks, tracking and drawing run side by side; every sink has a thread of its own.
"""

from relaytrack.pipeline.engine.own_parts import TrackerFactory, Until
from relaytrack.pipeline.engine.pipeline import Pipeline
from relaytrack.pipeline.engine.progress import Progress
from relaytrack.pipeline.errors import RelayTrackError

__all__ = ["Pipeline", "Progress", "RelayTrackError", "TrackerFactory", "Until"]
