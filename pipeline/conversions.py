"""What a run finds in the forms of other libraries: supervision, pandas, polars. None of them is required."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.converters import TableLibrary, box_columns, detections_of_supervision, from_supervision, table

if TYPE_CHECKING:
    import supervision


class _Info(Protocol):
    @property
    def camera(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def time(self) -> float: ...


class _Scored(Protocol):
    @property
    def xyxy(self) -> NDArray[np.float32]: ...
    @property
    def scores(self) -> NDArray[np.float32]: ...


class _Tracks(_Scored, Protocol):
    @property
    def frame(self) -> _Info: ...
    @property
    def ids(self) -> NDArray[np.int64]: ...
    @property
    def global_ids(self) -> NDArray[np.int64]: ...


class _Step(Protocol):
    @property
    def tracks(self) -> Iterable[_Tracks]: ...


class DetectionForms:
    """Gives `records.Detections` its other forms."""

    __slots__ = ()

    @classmethod
    def from_supervision(cls, detections: supervision.Detections) -> Self:
        """People from `supervision.Detections`; take other classes out before: `found[found.class_id == 0]`.

        Raises:
            TrackerInputError: they carry no confidence, or are something else.
        """
        make: Any = cls
        found: Self = make(*from_supervision(detections))
        return found

    def to_supervision(self: _Scored) -> supervision.Detections:
        """The detections as `supervision.Detections`.

        Raises:
            MissingDependencyError: supervision is not installed.
        """
        return detections_of_supervision(self.xyxy, self.scores)


class TrackForms:
    """Gives `records.FrameTracks` its other forms."""

    __slots__ = ()

    def to_supervision(self: _Tracks) -> supervision.Detections:
        """The tracks as `supervision.Detections`: `tracker_id` is the camera's own id, `data["identity"]` the person.

        Raises:
            MissingDependencyError: supervision is not installed.
        """
        return detections_of_supervision(self.xyxy, self.scores, self.ids, {"identity": self.global_ids})

    def to_dataframe(self: _Tracks, library: TableLibrary = "pandas") -> Any:
        """One row per track: camera, frame, time, id, identity, x1, y1, x2, y2, score.

        Args:
            library: "pandas" or "polars".

        Returns:
            A `pandas.DataFrame` or a `polars.DataFrame`.

        Raises:
            TrackerInputError: `library` is neither of the two.
            MissingDependencyError: the library is not installed.
        """
        return _table([self], library)


class StepForms:
    """Gives `records.Step` its other form."""

    __slots__ = ()

    def to_dataframe(self: _Step, library: TableLibrary = "pandas") -> Any:
        """One row per track of all cameras; see `FrameTracks.to_dataframe`."""
        return _table(list(self.tracks), library)


def _table(frames: list[_Tracks], library: TableLibrary) -> Any:
    """The tracks of several frames in one table."""
    counts = [len(one.ids) for one in frames]
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(one.xyxy for one in frames)])
    none, ids = np.zeros(0, np.float32), np.zeros(0, np.int64)
    columns: dict[str, NDArray[Any]] = {
        "camera": np.repeat(np.array([one.frame.camera for one in frames], np.str_), counts),
        "frame": np.repeat(np.array([one.frame.index for one in frames], np.int64), counts),
        "time": np.repeat(np.array([one.frame.time for one in frames], np.float64), counts),
        "id": np.concatenate([ids, *(one.ids for one in frames)]),
        "identity": np.concatenate([ids, *(one.global_ids for one in frames)]),
        **box_columns(boxes),
        "score": np.concatenate([none, *(one.scores for one in frames)]),
    }
    return table(columns, library)
