"""Which number formats a device can be asked to multiply in, and which form of the weights is for them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

from relaytrack.reid.errors import ReidError, WeightsError
from relaytrack.reid.installed import INT8, WEIGHTS_FOLDER, Precision, int8_form

_INT8_FLAGS = ("avx512_vnni", "avx_vnni")

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """A context in which matrices are multiplied in a precision of `DTYPES`; none at all for "fp32"."""
    return torch.autocast(device.type, DTYPES[precision], enabled=precision != "fp32")


def cpu_has_bfloat16() -> bool:
    """Whether torch multiplies bfloat16 matrices on this CPU by more than a plain loop (AVX-512, AMX, or Arm's)."""
    return bool(torch._C._has_mkldnn) and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def usable_precision(precision: str, device: torch.device) -> str:
    """Replace "bf16" by "fp32" on a CPU without bfloat16 arithmetic, where it is hundreds of times slower."""
    slow = precision == "bf16" and device.type == "cpu" and not cpu_has_bfloat16()
    return "fp32" if slow else precision


@cache
def cpu_has_int8() -> bool:
    """Whether this CPU multiplies and adds 8-bit integers in one instruction (AVX-512 VNNI or AVX-VNNI).

    Elsewhere networks with 8-bit integers are hardly quicker, or slower, than those in single precision.
    """
    ask = getattr(torch.cpu, "get_capabilities", None)  # not in every version of torch that is supported
    found: Mapping[str, object] = ask() if ask is not None else {}
    if any(flag in found for flag in _INT8_FLAGS):
        return any(bool(found.get(flag)) for flag in _INT8_FLAGS)
    with suppress(OSError):
        words = Path("/proc/cpuinfo").read_text(errors="replace").split()
        return any(flag in words for flag in _INT8_FLAGS)
    return False


def weights_form(path: Path, precision: Precision, device: torch.device) -> Path:
    """The file that is to be used on a device: that of the weights, or their 8-bit form.

    Raises:
        WeightsError: there is no 8-bit form.
        ReidError: 8-bit integers are asked for on a GPU.
    """
    if precision == "fp32":
        return path
    form = int8_form(path)
    if precision == "auto":
        fits = device.type == "cpu" and path.parent == WEIGHTS_FOLDER and cpu_has_int8()
        return form if fits and form is not None else path
    if device.type != "cpu":
        raise ReidError(f"precision int8 is for the CPU, and the network runs on {device}")
    if form is None:
        raise WeightsError(
            f"{path} has no 8-bit form: make {path.stem}{INT8}.onnx with `relaytrack reid export --int8`"
        )
    return form
