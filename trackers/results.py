"""What the tracker returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers import converters

if TYPE_CHECKING:
    import supervision

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TrackResult:
    """Confirmed tracks after one frame, in ascending order of id.

    Attributes:
        ids: (N,) int64, from 1 on, each at most once.
        xyxy: (N, 4) float32, filtered boxes in pixels.
        scores: (N,) float32, score of the detection (of the last one where coasting).
        indices: (N,) int64, row of the detection in the arrays given to `update`; -1 where coasting.
        coasting: (N,) True where the track was not seen in this frame and `xyxy` is a prediction; all
            False unless `DeepSortParams.report_coasting`.
        confirmed_now: (N,) True where the track was confirmed by this frame: its earlier boxes are in
            `DeepSort.pop_backfill`.
    """

    ids: Ints
    xyxy: Floats
    scores: Floats
    indices: Ints
    coasting: NDArray[np.bool_]
    confirmed_now: NDArray[np.bool_]

    def __len__(self) -> int:
        """Number of tracks."""
        return len(self.ids)

    def to_supervision(self) -> supervision.Detections:
        """The tracks as `supervision.Detections`: `tracker_id`, `confidence`, and `data["index"]`, `data["coasting"]`.

        Raises:
            MissingDependencyError: supervision is not installed.
        """
        data = {"index": self.indices, "coasting": self.coasting}
        return converters.detections_of_supervision(self.xyxy, self.scores, self.ids, data)

    def to_dataframe(self, library: converters.TableLibrary = "pandas") -> Any:
        """One row per track: id, x1, y1, x2, y2, score, index, coasting.

        Args:
            library: "pandas" or "polars".

        Returns:
            A `pandas.DataFrame` or a `polars.DataFrame`.

        Raises:
            TrackerInputError: `library` is neither of the two.
            MissingDependencyError: the library is not installed.
        """
        columns: dict[str, NDArray[Any]] = {"id": self.ids, **converters.box_columns(self.xyxy), "score": self.scores}
        return converters.table({**columns, "index": self.indices, "coasting": self.coasting}, library)


@dataclass(frozen=True, slots=True)
class Backfill:
    """Boxes of tracks from before they were confirmed, oldest frame first.

    Attributes:
        frames: (N,) int64, number of the call of `update` (the first is 0) that saw the box.
        times: (N,) float64, the time given to that call.
        ids: (N,) int64, ids that the tracks have got since.
        xyxy: (N, 4) float32, filtered boxes in pixels.
        scores: (N,) float32.
        indices: (N,) int64, row of the detection in that call.
    """

    frames: Ints
    times: NDArray[np.float64]
    ids: Ints
    xyxy: Floats
    scores: Floats
    indices: Ints

    def __len__(self) -> int:
        """Number of boxes."""
        return len(self.ids)

    def to_dataframe(self, library: converters.TableLibrary = "pandas") -> Any:
        """One row per box: frame, time, id, x1, y1, x2, y2, score, index; see `TrackResult.to_dataframe`."""
        columns: dict[str, NDArray[Any]] = {
            "frame": self.frames,
            "time": self.times,
            "id": self.ids,
            **converters.box_columns(self.xyxy),
        }
        return converters.table({**columns, "score": self.scores, "index": self.indices}, library)
