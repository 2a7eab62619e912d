"""Detections and tracks in the forms of other libraries: supervision, pandas, polars. None of them is required."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.arrays import numbers
from relaytrack.trackers.errors import MissingDependencyError, TrackerInputError

if TYPE_CHECKING:
    import supervision

TableLibrary = Literal["pandas", "polars"]


def from_supervision(detections: supervision.Detections) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes and scores for `DeepSort.update`.

    Only people belong in there: take them out first, for instance `detections[detections.class_id == 0]`.

    Args:
        detections: N detections of one frame.

    Returns:
        (N, 4) xyxy in pixels and (N,) scores.

    Raises:
        TrackerInputError: the detections carry no confidence, or are none.
    """
    if not hasattr(detections, "xyxy") or not hasattr(detections, "confidence"):
        raise TrackerInputError(f"from_supervision takes supervision.Detections, not {type(detections).__name__}")
    if detections.confidence is None:
        raise TrackerInputError("these supervision.Detections have no confidence; the tracker needs a score per box")
    return numbers(detections.xyxy, "xyxy", np.float32), numbers(detections.confidence, "confidence", np.float32)


def detections_of_supervision(
    xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    ids: NDArray[np.int64],
    data: Mapping[str, NDArray[Any]],
) -> supervision.Detections:
    """N tracks as `supervision.Detections`; their class is 0, which is the person in COCO.

    Args:
        xyxy: (N, 4) boxes, pixels.
        scores: (N,) become `confidence`.
        ids: (N,) become `tracker_id`.
        data: further columns of N entries each.

    Raises:
        MissingDependencyError: supervision is not installed.
    """
    try:
        import supervision
    except ImportError:
        raise MissingDependencyError("to_supervision needs supervision: pip install supervision") from None
    return supervision.Detections(
        xyxy=xyxy.copy(),
        confidence=scores.copy(),
        class_id=np.zeros(len(ids), np.int64),
        tracker_id=ids.copy(),
        data={name: column.copy() for name, column in data.items()},
    )


def table(columns: Mapping[str, NDArray[Any]], library: TableLibrary) -> Any:
    """Columns of equal length as a data frame.

    Args:
        columns: name to (N,) array.
        library: "pandas" or "polars".

    Returns:
        A `pandas.DataFrame` or a `polars.DataFrame`.

    Raises:
        TrackerInputError: `library` is neither of the two.
        MissingDependencyError: the library is not installed.
    """
    if library not in ("pandas", "polars"):
        raise TrackerInputError(f"to_dataframe: library is {library!r}; there are 'pandas' and 'polars'")
    try:
        if library == "pandas":
            import pandas

            return pandas.DataFrame(dict(columns))
        import polars

        return polars.DataFrame(dict(columns))
    except ImportError:
        raise MissingDependencyError(f"to_dataframe needs {library}: pip install {library}") from None


def box_columns(xyxy: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """(N, 4) boxes as the columns x1, y1, x2, y2."""
    return {name: np.ascontiguousarray(xyxy[:, place]) for place, name in enumerate(("x1", "y1", "x2", "y2"))}
