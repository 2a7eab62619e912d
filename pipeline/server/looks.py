"""The looks of a person in a picture, by the run's own networks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.records import Floats, Frame, Image
from relaytrack.pipeline.server.problems import ProblemError

_LARGE = 0.03  # share of the picture that a person must fill to be the one who is meant


class Looks:
    """Describes the largest person of a picture; one picture at a time.

    Attributes:
        perception: the networks, None before they are loaded.
        load: loads them where the engine works elsewhere and has none here; gives None where there are none to load.
    """

    def __init__(self) -> None:
        self.perception: Perception | None = None
        self.load: Callable[[], Perception | None] = lambda: None
        self._busy = threading.Lock()

    @property
    def threshold(self) -> float | None:
        """Cosine similarity from which two pictures count as one person; None where nothing is known of it."""
        embedder = None if self.perception is None else self.perception.embedder
        known: float | None = getattr(embedder, "threshold", None)  # an embedder of somebody else's need not have it
        return known

    def of(self, picture: Image) -> Floats:
        """A unit vector (D,) of the person.

        Args:
            picture: (H, W, 3) uint8 RGB. Where nobody is found, it is taken for a picture of one person that fills it.

        Raises:
            ProblemError: this run has no network for looks.
        """
        with self._busy:
            perception = self.perception = self.perception or self.load()
        if perception is None or perception.embedder is None or perception.cropper is None:
            raise ProblemError(409, "this run has no network that could compare looks")
        height, width = picture.shape[:2]
        with self._busy:
            frame = Frame("search", 1, 0.0, picture, arrived=time.monotonic())
            found = perception.perceive([frame], always=True)[0]
            boxes, known = found.detections.xyxy, np.isfinite(found.embeddings).all(axis=1)
            areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) * known
            if len(areas) and areas.max() > _LARGE * height * width:
                return np.asarray(found.embeddings[int(areas.argmax())], np.float32)
            whole = np.array([[0, 0, width, height]], np.float32)
            return np.asarray(perception.embedder.embed(perception.cropper.crop([picture], [whole]))[0], np.float32)
