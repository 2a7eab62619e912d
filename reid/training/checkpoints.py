"""A training's state in a file: tensors, plain values, and where the random generators are."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from relaytrack.reid.errors import TrainingError
from relaytrack.reid.outputs import write_whole


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state so that the file is either the earlier or the complete new one, whatever happens meanwhile.

    Raises:
        ReidOutputError: it cannot be written; the earlier one stays.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, buffer.getvalue())


def load_state(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a state; only tensors and plain values are accepted.

    Raises:
        TrainingError: there is no such file, or it is something else.
    """
    if not path.is_file():
        raise TrainingError(f"cannot resume from {path}: no such file")
    try:
        state = torch.load(path, map_location="cpu" if device.type == "cpu" else device, weights_only=True)
    except Exception as error:  # torch raises many kinds for files that are something else
        raise TrainingError(f"cannot resume from {path}: it is no training checkpoint") from error
    if not isinstance(state, dict):
        raise TrainingError(f"cannot resume from {path}: it is no training checkpoint")
    return state


def random_states(generator: np.random.Generator, device: torch.device) -> dict[str, Any]:
    """Where numpy's and torch's generators are."""
    states: dict[str, Any] = {
        "numpy": json.dumps(generator.bit_generator.state),
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random(states: dict[str, Any], generator: np.random.Generator, device: torch.device) -> None:
    """Put the generators where `random_states` found them."""
    generator.bit_generator.state = json.loads(states["numpy"])
    torch.set_rng_state(states["torch"].cpu())
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)
