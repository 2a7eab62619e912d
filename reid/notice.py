"""The line that every run with some weights prints, as their makers wrote it into the file."""

from __future__ import annotations

from pathlib import Path

from relaytrack.reid.checkpoint import load_info
from relaytrack.reid.installed import find_weights


def notice_of(weights: Path | str | None) -> str:
    """The notice of a file of weights, or of installed ones by their name; empty where there is none.

    Raises:
        WeightsError: the weights are missing or unreadable.
    """
    path = find_weights(weights)
    if path.suffix != ".onnx":
        return load_info(path).notice
    from relaytrack.reid.onnx_weights import onnx_info, read_onnx

    return onnx_info(read_onnx(path)).notice
