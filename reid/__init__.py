"""Re-identification: networks with exact, cheap attention, their training, evaluation and use.

Stands alone: nothing here needs the tracking pipeline. Start with `relaytrack.reid.embedder.Embedder` to embed crops,
`relaytrack.reid.model.build_model` for networks, `python -m relaytrack.reid --help` for everything on the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from relaytrack.reid.errors import (
    DatasetError,
    ReidConfigError,
    ReidError,
    ReidOutputError,
    TrainingError,
    WeightsError,
)

if TYPE_CHECKING:
    from relaytrack.reid.embedder import Embedder

__all__ = [
    "DatasetError",
    "Embedder",
    "ReidConfigError",
    "ReidError",
    "ReidOutputError",
    "TrainingError",
    "WeightsError",
]


def __getattr__(name: str) -> Any:
    """Load the embedder, and torch with it, only when it is used."""
    if name == "Embedder":
        from relaytrack.reid.embedder import Embedder

        return Embedder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
