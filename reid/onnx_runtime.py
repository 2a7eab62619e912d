"""Imports onnxruntime so that it keeps to itself.

From 1.32 on it sends events of its use to Microsoft, and writes a number of the device and a file of waiting events
into the user's cache folder, unless it is told not to before it is imported.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

_OFF = "ORT_DISABLE_TELEMETRY"


def import_onnxruntime(part: str = "onnxruntime") -> Any:
    """The module onnxruntime, or a part of it, with its telemetry switched off for this process.

    Raises:
        ImportError: it is not installed.
    """
    os.environ[_OFF] = "1"
    module = importlib.import_module("onnxruntime")
    if hasattr(module, "disable_telemetry_events"):  # where somebody has imported it already
        module.disable_telemetry_events()
    return module if part == "onnxruntime" else importlib.import_module(part)
