"""A track that was seen lately: what is listed of it, its best pictures and its mean embedding."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relaytrack.pipeline.records import Floats, Image
from relaytrack.pipeline.results.folder import write_bytes
from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.sinks.crops import CropStrip

_UNKNOWN = 0.7  # `similarity` where there is nothing to compare
_MOST_CROPS = 8  # of a track that comes back after its pictures moved to the disk


@dataclass(slots=True)
class LiveTrack:
    """One track.

    Attributes:
        record: what is listed of it.
        identity: whom it shows.
        strip: its best pictures; None before the first and after `store`.
        embedding: (D,) the sum of its embeddings, weighted by the quality of their pictures; None without one.
    """

    record: TrackRecord
    identity: int
    strip: CropStrip | None = None
    embedding: Floats | None = None

    def similarity(self, embedding: Floats) -> float:
        """A factor for the quality of a picture, 0.01..1: less where it looks unlike the track's pictures so far."""
        if self.embedding is None or not np.isfinite(embedding).all():
            return _UNKNOWN
        mean = self.embedding / max(float(np.linalg.norm(self.embedding)), 1e-12)
        return max(0.1, float(mean @ embedding)) ** 2

    def offer(self, image: Image, box: Floats, quality: float, time: float) -> None:
        """Take the person's picture at `box` (xyxy pixels of `image`) if it is one of the best."""
        self.strip = self.strip or CropStrip()
        self.strip.offer(image, box, quality, time)

    def add(self, weighted: Floats) -> None:
        """Add an embedding (D,), times its weight."""
        self.embedding = weighted if self.embedding is None else self.embedding + weighted

    def store(self, folder: Path) -> None:
        """Write the pictures into the output folder, and free their memory.

        Raises:
            OutputError: one cannot be written.
        """
        strip, self.strip = self.strip, None
        record = self.record
        for crop in strip.crops if strip else ():
            if len(record.crops) >= _MOST_CROPS:
                return
            name = f"crops/{record.camera}/{record.track}-{len(record.crops) + 1}.jpg"
            write_bytes(os.path.join(folder, name), crop.data, durable=False)
            record.crops.append({"time": crop.time, "quality": round(crop.quality, 2), "file": name})
