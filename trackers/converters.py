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
_SIDES = ("x1", "y1", "x2", "y2")


def from_supervision(detections: supervision.Detections) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes and scores for `DeepSort.update`.

    Only people belong in there: take them out first, for instance `detections[detections.class_id == 0]`.

    Args:
        detections: N detections of one frame.

    Returns:
        (N, 4) xyxy in pixels and (N,) scores.

    Raises:
        TrackerInputError: the detections carry no confidence, or are something else.
    """
    if not hasattr(detections, "xyxy") or not hasattr(detections, "confidence"):
        raise TrackerInputError(f"from_supervision takes supervision.Detections, not {type(detections).__name__}")
    if detections.confidence is None:
        raise TrackerInputError("these supervision.Detections have no confidence; the tracker needs a score per box")
    return numbers(detections.xyxy, "xyxy", np.float32), numbers(detections.confidence, "confidence", np.float32)


def from_dataframe(frame: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes and scores for `DeepSort.update`.

    Args:
        frame: a `pandas.DataFrame` or a `polars.DataFrame` with the columns x1, y1, x2, y2 and score, one detection
            per row.

    Returns:
        (N, 4) xyxy in pixels and (N,) scores.

    Raises:
        TrackerInputError: it is no data frame, or lacks one of the columns.
    """
    known = [str(name) for name in getattr(frame, "columns", ())]
    missing = [name for name in (*_SIDES, "score") if name not in known]
    if missing:
        raise TrackerInputError(f"from_dataframe takes a data frame with the column {missing[0]}")
    columns = {name: numbers(np.asarray(frame[name]), name, np.float32) for name in (*_SIDES, "score")}
    return np.column_stack([columns[name] for name in _SIDES]), columns["score"]


def detections_of_supervision(
    xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    ids: NDArray[np.int64] | None = None,
    data: Mapping[str, NDArray[Any]] | None = None,
) -> supervision.Detections:
    """N boxes as `supervision.Detections`; their class is 0, which is the person in COCO.

    Args:
        xyxy: (N, 4) boxes, pixels.
        scores: (N,) become `confidence`.
        ids: (N,) become `tracker_id`; None where the boxes are no tracks.
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
        class_id=np.zeros(len(scores), np.int64),
        tracker_id=None if ids is None else ids.copy(),
        data={name: column.copy() for name, column in (data or {}).items()},
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
    return {name: np.ascontiguousarray(xyxy[:, place]) for place, name in enumerate(_SIDES)}
