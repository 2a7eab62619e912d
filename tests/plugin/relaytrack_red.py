"""A package that brings RelayTrack a detector, a tracker, a sink and an embedder."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from relaytrack.pipeline.plugins import Plugin
from relaytrack.pipeline.records import Detections


class RedSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    least: int = Field(default=200, ge=0, le=255)


class Red:
    """Finds what is red."""

    provider = "numpy"

    def __init__(self, least):
        self.least = least

    def detect(self, frames):
        return [self.look(frame.image) for frame in frames]

    def look(self, image):
        rows, columns = np.nonzero((image[..., 0] > self.least) & (image[..., 1] < 120))
        if not len(rows):
            return Detections.empty()
        box = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]
        return Detections(np.array(box, np.float32), np.ones(1, np.float32))


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Nearest:
    """Everybody is number 1."""

    def update(self, xyxy, scores, embeddings, time):
        return np.hstack([xyxy, np.ones((len(xyxy), 1), np.float32)])[:1]


class Colour:
    """Describes a crop by its mean colour."""

    input_size = (16, 8)
    dim = 3

    def embed(self, crops):
        mean = crops.mean(dim=(2, 3)).cpu().numpy()
        return (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)


class Lines:
    """Writes a line per step."""

    def __init__(self, folder):
        self.path, self.lines = Path(folder) / "lines.txt", []

    def write(self, step):
        self.lines.append(f"{step.time:.2f} {[tracks.ids.tolist() for tracks in step]}\n")

    def close(self):
        self.path.write_text("".join(self.lines))


DETECTOR = Plugin(RedSettings, lambda settings, device: Red(settings.least))
TRACKER = Plugin(Nothing, lambda settings, camera: Nearest())
EMBEDDER = Plugin(Nothing, lambda settings, device: Colour())
SINK = Plugin(Nothing, lambda settings, folder: Lines(folder))
