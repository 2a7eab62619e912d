"""Which device the networks run on: "auto" is resolved once, and what is asked for is there or an error."""

from __future__ import annotations

import re

from relaytrack.pipeline.errors import DeviceError

_DEVICE = re.compile(r"auto|cpu|cuda(?::(?P<index>[0-9]+))?")


def resolve_device(requested: str = "auto") -> str:
    """Turn the user's wish into the device that will be used.

    Args:
        requested: "auto" (the first GPU where there is one, else the CPU), "cpu", "cuda" or "cuda:i".

    Returns:
        "cpu", "cuda" or "cuda:i".

    Raises:
        DeviceError: the text is none of these, or the GPU is not there. There is no silent fall-back to the
            CPU: only "auto" chooses.
    """
    match = _DEVICE.fullmatch(requested)
    if match is None:
        raise DeviceError(f"run.device: {requested!r} is none of auto, cpu, cuda, cuda:0, cuda:1, ...")
    if requested == "cpu":
        return "cpu"
    count = _cuda_devices()
    if requested == "auto":
        return "cuda" if count else "cpu"
    if not count:
        raise DeviceError(f"run.device: {requested!r} asked for, but PyTorch finds no CUDA device here")
    if int(match["index"] or 0) >= count:
        raise DeviceError(f"run.device: {requested!r} asked for, but there are only {count} CUDA devices here")
    return requested


def device_index(device: str) -> int:
    """Return the GPU's number of a resolved device: 0 for "cuda", i for "cuda:i"."""
    return int(device.partition(":")[2] or 0)


def _cuda_devices() -> int:
    """Count the usable CUDA devices."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
