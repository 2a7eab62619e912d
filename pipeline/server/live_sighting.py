"""A track that the site sees now: what its row in the store will say, with the best picture and the looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from relaytrack.pipeline.records import Floats, Image
from relaytrack.pipeline.render.jpeg import jpeg
from relaytrack.pipeline.server.people_records import unit
from relaytrack.pipeline.sinks.crops import cut

BETTER = 1.15
"""A new picture must be that much better."""


@dataclass(slots=True)
class LiveSighting:
    """One track.

    Attributes:
        identity: whom it shows.
        first, last: when it was seen, seconds since 1970; frames: how often.
        quality: of the picture, below 0 without one; picture: JPEG.
        embedding: (D,) the sum of its embeddings, weighted by the quality of their pictures; None without one.
        dirty: whether the store lacks something of it.
    """

    identity: int
    first: float
    last: float
    frames: int = 0
    quality: float = -1.0
    picture: bytes | None = None
    embedding: Floats | None = None
    dirty: bool = True

    def see(self, identity: int, moment: float) -> None:
        """Count a frame; `moment` is in seconds since 1970."""
        self.identity, self.last, self.dirty = identity, moment, True
        self.frames += 1

    def offer(self, image: Image, box: Floats, quality: float) -> None:
        """Take the person's picture at `box` (xyxy pixels of `image`) if it is clearly better than the present one."""
        part = cut(image, box) if quality > max(self.quality * BETTER, 0.0) else None
        if part is not None:
            self.quality, self.picture = quality, jpeg(part)

    def add(self, weighted: Floats) -> None:
        """Add an embedding (D,), times its weight."""
        self.embedding = weighted if self.embedding is None else self.embedding + weighted

    def values(self, run: int, camera: str, track: int) -> tuple[Any, ...]:
        """The values of its row, in the order of the table's columns after `id`."""
        vector = None if self.embedding is None else unit(self.embedding).astype(np.float16).tobytes()
        seen = (self.identity, self.first, self.last, self.frames)
        return run, camera, track, *seen, self.quality, self.picture, vector
