"""The identities that a track had before a correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

MOST_FORMER = 20
"""Earlier identities that are kept of a track, the last ones."""


@dataclass(frozen=True, slots=True)
class Former:
    """An identity that a track had before.

    Attributes:
        id: the identity.
        time: seconds of the run's clock at which another one took its place.
        kind: why; see `revised` in `pipeline.events.schema`.
        score: what spoke for the new identity, in points of evidence (above 0 speaks for it); None where it had no
            other track to be compared with, or at the end of the run and by hand.
    """

    id: int
    time: float
    kind: Literal["merge", "split", "final", "manual"]
    score: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no such entry, for it may come from a file.

        Raises:
            ValueError: the kind is unknown.
            TypeError: a number is none.
        """
        if self.kind not in ("merge", "split", "final", "manual"):
            raise ValueError(f"{self.kind!r} is no kind of revision")
        for value in (self.id, self.time, 0.0 if self.score is None else self.score):
            if not np.isfinite(value):
                raise ValueError("a number that is not finite")
