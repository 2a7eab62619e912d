"""Which device networks run on: "auto" is resolved once, and what is asked for is there or an error."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch

from relaytrack.reid.errors import ReidError
from relaytrack.reid.wording import device_text

_DEVICE = re.compile(r"auto|cpu|cuda(?::(?P<index>[0-9]+))?")


def resolve_device(
    requested: str | torch.device = "auto", *, key: str = "device", error: Callable[[str], Exception] = ReidError
) -> str:
    """Turn the user's wish into the device that will be used.

    Args:
        requested: "auto" (the first GPU where there is one, else the CPU), "cpu", "cuda" or "cuda:i"; or PyTorch's own.
        key: what a message calls the setting.
        error: the exception that is raised.

    Returns:
        "cpu", "cuda" or "cuda:i".

    Raises:
        error: the text is none of these, or the GPU is not there. There is no silent fall-back to the CPU: only
            "auto" chooses.
    """
    requested = str(device_text(requested))
    match = _DEVICE.fullmatch(requested)
    if match is None:
        raise error(f"{key}: {requested!r} is none of auto, cpu, cuda, cuda:0, cuda:1, ...")
    if requested == "cpu":
        return "cpu"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if requested == "auto":
        return "cuda" if count else "cpu"
    if not count:
        raise error(f"{key}: {requested!r} asked for, but PyTorch finds no CUDA device here")
    if int(match["index"] or 0) >= count:
        raise error(f"{key}: {requested!r} asked for, but the number of CUDA devices here is {count}")
    return requested


def torch_device(requested: str | torch.device = "auto") -> torch.device:
    """`resolve_device` as a `torch.device`; a GPU has its number.

    Raises:
        ReidError: as of `resolve_device`.
    """
    resolved = resolve_device(requested)
    return torch.device("cuda", device_index(resolved)) if resolved != "cpu" else torch.device("cpu")


def device_index(device: str) -> int:
    """The GPU's number of a resolved device: 0 for "cuda", i for "cuda:i"."""
    return int(device.partition(":")[2] or 0)
