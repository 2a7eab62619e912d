"""What an `Embedder` is given, checked: its arguments and its batches of crops."""

from __future__ import annotations

from numbers import Integral
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from relaytrack.reid.errors import ReidError
from relaytrack.reid.installed import Precision

_MOST = {"batch_size": 65_536, "threads": 256}
_ROUNDING = 0.01
"""How far outside 0..1 a resized image may reach."""


def check_arguments(
    weights: object, device: object, batch_size: object, flip: object, threads: object, precision: object
) -> None:
    """Refuse what is of another kind than `Embedder` says.

    Raises:
        ReidError: naming the argument.
    """
    if not isinstance(weights, str | Path | None) or "\0" in str(weights):
        raise ReidError(f"weights must be a path, a name or None, not {weights!r}")
    if not isinstance(device, str | torch.device):
        raise ReidError(f"device must be text such as 'cpu' or 'cuda:0', or a torch.device, not {device!r}")
    for name, count in (("batch_size", batch_size), ("threads", 1 if threads is None else threads)):
        if isinstance(count, bool) or not isinstance(count, Integral) or not 1 <= int(count) <= _MOST[name]:
            raise ReidError(f"{name} must be a whole number from 1 to {_MOST[name]}, not {count!r}")
    if not isinstance(flip, bool):
        raise ReidError(f"flip must be True or False, not {flip!r}")
    if precision not in get_args(Precision):
        raise ReidError(f"precision must be one of {', '.join(get_args(Precision))}, not {precision!r}")


def readable(batch: Tensor) -> Tensor:
    """The values of a batch without gradients, in a type that numpy knows.

    Raises:
        ReidError: another type than uint8 and floating point, no values, or values outside 0..1.
    """
    if batch.device.type == "meta":
        raise ReidError("batch has no values: it lies on the device meta")
    batch = batch.detach()
    if batch.dtype == torch.uint8:
        return batch
    if not batch.is_floating_point():
        raise ReidError(f"batch must be uint8 in 0..255 or floating point in 0..1, not {batch.dtype}")
    if batch.dtype == torch.bfloat16:
        batch = batch.float()
    if batch.numel():
        least, most = _extremes(batch)
        if not (least >= -_ROUNDING and most <= 1 + _ROUNDING):
            raise ReidError(f"batch of floating point must lie in 0..1, not in {least:g}..{most:g}")
    return batch


def _extremes(batch: Tensor) -> tuple[float, float]:
    """Least and greatest value; NaN where there is one."""
    if batch.device.type != "cpu":
        least, most = batch.aminmax()
        return float(least), float(most)
    values = batch.numpy()  # on one thread, as in `Embedder`: torch would start threads, which spin while they wait
    return float(values.min()), float(values.max())
