"""Multi-camera person tracking: many cameras in; annotated videos, tracks and one identity per person out.

from relaytrack import Pipeline, load_config

summary = Pipeline(load_config("cameras.yaml")).run()

The names here are short forms; each is loaded when it is first used, so that `import relaytrack` takes no time.
`relaytrack.pipeline` runs cameras, `relaytrack.reid` describes people, `relaytrack.trackers` tracks them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relaytrack.pipeline.config.loading import load_config
    from relaytrack.pipeline.config.schema import Config
    from relaytrack.pipeline.engine import Pipeline
    from relaytrack.pipeline.errors import RelayTrackError
    from relaytrack.pipeline.records import Detections, Frame, FrameTracks
    from relaytrack.reid.embedder import Embedder
    from relaytrack.reid.errors import ReidError
    from relaytrack.trackers import DeepSort, DeepSortParams, IdentityAssociator, IdentityParams, TrackerError

    __version__: str

__all__ = [
    "Config",
    "DeepSort",
    "DeepSortParams",
    "Detections",
    "Embedder",
    "Frame",
    "FrameTracks",
    "IdentityAssociator",
    "IdentityParams",
    "Pipeline",
    "ReidError",
    "RelayTrackError",
    "TrackerError",
    "__version__",
    "load_config",
]

_HOMES = {
    "Config": "relaytrack.pipeline.config.schema",
    "DeepSort": "relaytrack.trackers",
    "DeepSortParams": "relaytrack.trackers",
    "Detections": "relaytrack.pipeline.records",
    "Embedder": "relaytrack.reid.embedder",
    "Frame": "relaytrack.pipeline.records",
    "FrameTracks": "relaytrack.pipeline.records",
    "IdentityAssociator": "relaytrack.trackers",
    "IdentityParams": "relaytrack.trackers",
    "Pipeline": "relaytrack.pipeline.engine",
    "ReidError": "relaytrack.reid.errors",
    "RelayTrackError": "relaytrack.pipeline.errors",
    "TrackerError": "relaytrack.trackers",
    "load_config": "relaytrack.pipeline.config.loading",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for, and with it only the libraries that it needs."""
    if name == "__version__":
        from importlib.metadata import version

        found: Any = version("relaytrack")
    elif name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The names of this module, for completion."""
    return sorted({*globals(), *__all__})
