"""All cameras' tracks of one step as whole arrays, so that the cost of a step does not grow with calls per camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.boxes import intersections, iou
from relaytrack.trackers.identities.quality import crop_quality
from relaytrack.trackers.identities.types import CameraTracks, Floats, Ints

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EqualFrames:
    """Frames with the same number of tracks.

    Attributes (K frames, N tracks in each):
        rows: (K, N) rows of the step.
        common: (K, N, N) pixels squared that two boxes share.
        overlap: (K, N, N) their intersection over union.
    """

    rows: Ints
    common: Floats
    overlap: Floats


class Sightings:
    """The tracks of one step, camera after camera.

    Attributes (R rows, V views):
        views: the cameras' tracks.
        begins: (V,) the first row of each view; counts: (V,) its rows.
        time: (R,) seconds.
        boxes: (R, 4) float32 pixels; scores: (R,).
        frames: the views by their number of tracks.
    """

    def __init__(self, views: Sequence[CameraTracks]) -> None:
        self.views = views
        self.counts = np.array([len(view) for view in views], np.int64)
        self.begins = np.cumsum(self.counts) - self.counts
        self.time = np.repeat(np.array([view.time for view in views], np.float64), self.counts)
        self.boxes = np.asarray(_joined([view.xyxy for view in views], (0, 4)), np.float32)
        self.scores = _joined([view.scores for view in views], (0,))
        self.frames = list(self._frames())

    def _frames(self) -> Iterator[EqualFrames]:
        for count in sorted({len(view) for view in self.views} - {0}):
            rows = self.begins[self.counts == count][:, None] + np.arange(count)
            boxes = self.boxes[rows]
            common = intersections(boxes, boxes)
            yield EqualFrames(rows, common, iou(boxes, boxes, common))

    def quality(self) -> Floats:
        """(R,) how good each crop is: what the views say, or judged by size, score and what hides it."""
        out = np.zeros(len(self.boxes), np.float32)
        edges = np.array([_edges(view) for view in self.views])
        view = np.repeat(np.arange(len(self.views)), self.counts)
        judged = np.array([one.quality is None for one in self.views])
        for frame in self.frames:
            views = view[frame.rows[:, 0]]
            if not judged[views].any():
                continue
            some = slice(None) if judged[views].all() else judged[views]
            rows = frame.rows[some]
            out[rows] = crop_quality(self.boxes[rows], self.scores[rows], frame.common[some], edges[views[some]])
        for one, begin in zip(self.views, self.begins.tolist(), strict=True):
            if one.quality is not None:
                out[begin : begin + len(one)] = one.quality
        return out

    def looks(self, least: float, first: NDArray[np.bool_]) -> tuple[Ints, Floats, Floats]:
        """What the crops tell of their people.

        Args:
            least: quality below which an embedding does not count.
            first: (R,) tracks of which nothing is known yet: any quality counts.

        Returns:
            the rows (K,) with an embedding that counts, its weight (K,), and the embeddings (K, D).
        """
        rows, vectors = self._embeddings()
        if len(rows) == 0:
            return rows, np.zeros(0, np.float32), vectors
        quality = self.quality()[rows]
        good = np.isfinite(quality) & ((quality >= least) | first[rows])
        return rows[good], np.maximum(quality[good], 1e-3) ** 2, vectors[good]

    def _embeddings(self) -> tuple[Ints, Floats]:
        """The rows (K,) that have an embedding, and the embeddings, (K, D)."""
        views = [view for view in self.views if view.embeddings.shape[1]]
        counts = np.array([len(view) for view in views], np.int64)
        known = np.isfinite(_joined([view.embeddings[:, 0] for view in views], (0,)))
        if not known.any():
            return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
        begins = self.begins[[view.embeddings.shape[1] > 0 for view in self.views]]
        rows = np.repeat(begins - (np.cumsum(counts) - counts), counts) + np.arange(len(known))
        parts = np.split(known, np.cumsum(counts)[:-1])
        every = np.concatenate([view.embeddings[part] for view, part in zip(views, parts, strict=True)])
        every, rows = np.asarray(every, np.float32), rows[known]
        whole = np.isfinite(every).all(axis=1)
        return (rows, every) if whole.all() else (rows[whole], every[whole])


def _edges(view: CameraTracks) -> tuple[float, float, float, float]:
    """Left, upper, right and lower edge of what the camera looks at; boundless where they are not known."""
    if view.image_size is None:
        return -np.inf, -np.inf, np.inf, np.inf
    return *view.origin, *view.image_size


def _joined(parts: Sequence[NDArray[Any]], empty: tuple[int, ...]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(empty, np.float32)
