"""Which number formats a device can be asked to multiply in."""

from __future__ import annotations

import torch

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
