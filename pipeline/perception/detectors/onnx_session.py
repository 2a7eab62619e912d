"""Opens a detector's ONNX file in onnxruntime, on the device that was asked for and on no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import DetectorError, DeviceError
from relaytrack.reid.backends import session_options
from relaytrack.reid.device import device_index
from relaytrack.reid.onnx_runtime import import_onnxruntime


def open_session(
    path: Path, device: str = "cpu", threads: int | None = None, data: bytes | None = None
) -> tuple[Any, str]:
    """Load an ONNX file.

    Args:
        path: the file, for messages.
        device: "cpu", "cuda" or "cuda:i", already resolved.
        threads: CPU threads; None leaves it to onnxruntime.
        data: the model's bytes where they are not those of the file.

    Returns:
        The session and the name of the provider that runs it.

    Raises:
        DetectorError: onnxruntime refuses the file.
        DeviceError: the session would not run on `device`.
    """
    onnxruntime = import_onnxruntime()

    options = session_options(threads)
    provider, settings = "CPUExecutionProvider", {}
    if device != "cpu":
        provider = "CUDAExecutionProvider"
        settings = {"device_id": str(device_index(device)), "use_tf32": "0"}
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = onnxruntime.InferenceSession(
            str(path) if data is None else data, options, providers=[(provider, settings)], enable_fallback=0
        )
    except Exception as error:  # onnxruntime's own exceptions have no common base
        reason = one_line(error)[:300]
        if device != "cpu":
            raise DeviceError(f"run.device: the detector cannot run on {device!r}: {reason}") from None
        raise DetectorError(f"detector.weights: {path}: onnxruntime refuses it: {reason}") from None
    if session.get_providers()[0] != provider:
        raise DeviceError(f"run.device: onnxruntime does not run the detector on {device!r}")
    session.disable_fallback()
    return session, provider
