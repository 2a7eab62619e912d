"""Reading files of tensors without ever executing code from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from relaytrack.reid.errors import WeightsError, first_line


def read_tensors(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read `.safetensors`, or a torch pickle with `weights_only=True`.

    A checkpoint that nests its tensors under "average" (the running average of a training; it goes before "model"),
    "model" or "state_dict" is unwrapped, and the "module." prefixes of DataParallel and AveragedModel are taken off.

    Returns:
        The tensors by name, on the CPU; and what stands beside them (a safetensors header's metadata, a
        checkpoint's other entries).

    Raises:
        WeightsError: the file is missing, unreadable or holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"weights not found: {path}")
    try:
        data, beside = _read_safetensors(path) if path.suffix == ".safetensors" else (_read_pickle(path), {})
    except (OSError, ValueError, RuntimeError, EOFError, KeyError) as error:
        raise WeightsError(f"cannot read weights from {path}: {first_line(error)}") from error
    for key in ("average", "model", "state_dict"):
        if isinstance(data, Mapping) and isinstance(data.get(key), Mapping):
            beside = {str(name): value for name, value in data.items() if name != key}
            data = data[key]
    tensors = {}
    if isinstance(data, Mapping):
        named = {str(k): v for k, v in data.items() if isinstance(v, Tensor) and k != "n_averaged"}
        tensors = {name.removeprefix("module."): tensor for name, tensor in named.items()}
    if not tensors:
        raise WeightsError(f"no tensors in {path}")
    return tensors, beside


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except Exception as error:  # a cut or foreign file makes torch stumble anywhere; its text advises to read unsafely
        raise ValueError("not a file of plain tensors, or a damaged one") from error
