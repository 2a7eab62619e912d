"""What callers hand over as numbers, read into arrays or refused in one line that names the argument."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from relaytrack.trackers.errors import TimeError, TrackerInputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")

LARGEST_TIME = 1e18
"""Seconds; differences of larger ones would overflow."""
NOT_UNIT = 1e-3
"""How far outside 0..1 a score may lie: what rounding to half precision does."""


def numbers(values: Any, name: str, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Real numbers as an array of `dtype`; what is masked or too large for it becomes NaN or infinite.

    Args:
        values: an array, nested lists, or a tensor of torch on the CPU, with or without gradient.
        name: the argument's name, for the message.
        dtype: a floating point type.

    Raises:
        TrackerInputError: text, dates, complex numbers, rows of unequal length, or no numbers at all.
    """
    if hasattr(values, "detach"):  # torch: neither gradients nor bfloat16 go into numpy
        values = values.detach()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiubO":
            raise TypeError(f"its values are of type {array.dtype}")
        with np.errstate(over="ignore"):
            if np.ma.isMaskedArray(values):
                return np.where(np.ma.getmaskarray(values), np.nan, array).astype(dtype)
            return np.asarray(array, dtype)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise TrackerInputError(f"{name} is not an array of numbers: {' '.join(str(error).split())}") from None


def scores_in_range(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hand on scores (N,) that lie in 0..1, or are not finite.

    Raises:
        TrackerInputError: a finite one lies outside; thresholds would mean nothing for it.
    """
    if len(scores) and not (scores.min() >= -NOT_UNIT and scores.max() <= 1 + NOT_UNIT):  # False with a NaN, too
        bad = np.isfinite(scores) & ((scores < -NOT_UNIT) | (scores > 1 + NOT_UNIT))
        if bad.any():
            row = int(bad.argmax())
            raise TrackerInputError(f"scores must lie in 0..1, and number {row} is {scores[row]:g}")
    return scores


def frame_sides(size: Any) -> tuple[float, float] | None:
    """(width, height) in pixels, or None where it is not known.

    Raises:
        TrackerInputError: anything else.
    """
    if size is None:
        return None
    sides = numbers(size, "frame_size")
    if sides.shape != (2,) or not (np.isfinite(sides) & (sides > 0)).all():
        raise TrackerInputError(f"frame_size must be (width, height) in pixels, both above 0, not {size!r}")
    return float(sides[0]), float(sides[1])


def whole_numbers(values: Any, name: str) -> NDArray[np.int64]:
    """Whole numbers as (N,) int64: an array, a list, a set, a tensor of torch on the CPU.

    Raises:
        TrackerInputError: text, fractions, truth values, numbers beyond 64 bits, rows, or no numbers at all.
    """
    if hasattr(values, "detach"):
        values = values.detach()
    elif isinstance(values, Iterable) and not isinstance(values, str | bytes | np.ndarray):
        values = list(values)
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        raise TrackerInputError(f"{name} are not a list of whole numbers") from None
    if array.shape == (0,):  # numpy takes an empty list for fractions
        array = array.astype(np.int64) if array.dtype.kind in "iuf" else array
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise TrackerInputError(f"{name}: {array.max()} is too large")
    if array.dtype.kind not in "iu":
        raise TrackerInputError(f"{name} are not whole numbers, but of type {array.dtype}")
    if array.ndim != 1:
        raise TrackerInputError(f"{name} has shape {array.shape}, expected (N,)")
    return array.astype(np.int64, copy=False)


def seconds(time: Any, name: str = "time") -> float:
    """A moment, or a span of time, as a finite number; `name` is the argument's, for the message.

    Raises:
        TimeError: it is none.
    """
    if not isinstance(time, str | bytes | bytearray):
        try:
            value = float(time)
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if abs(value) < LARGEST_TIME:
            return value
    raise TimeError(f"{name} must be a finite number of seconds, not {' '.join(repr(time)[:60].split())}")


def with_overrides(kind: type[Settings], settings: Settings | None, overrides: Mapping[str, Any]) -> Settings:
    """A record of settings with single fields changed; the record's own defaults where there is none.

    Raises:
        TrackerInputError: `settings` is something else, or there is no such field.
    """
    settings = kind() if settings is None else settings
    if not isinstance(settings, kind):
        raise TrackerInputError(f"params must be {kind.__name__}, not {type(settings).__name__}")
    unknown = set(overrides) - {field.name for field in fields(kind)}
    if unknown:
        raise TrackerInputError(f"{kind.__name__} has no setting {sorted(unknown)[0]!r}")
    return replace(settings, **overrides)
