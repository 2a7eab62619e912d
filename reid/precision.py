"""Which number formats a device can be asked to multiply in."""

from __future__ import annotations

import torch


def cpu_has_bfloat16() -> bool:
    """Whether torch multiplies bfloat16 matrices on this CPU by more than a plain loop (AVX-512, AMX, or Arm's)."""
    return bool(torch._C._has_mkldnn) and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def usable_precision(precision: str, device: torch.device) -> str:
    """ "fp32" in place of "bf16" on a CPU without bfloat16 arithmetic, where it is hundreds of times slower."""
    slow = precision == "bf16" and device.type == "cpu" and not cpu_has_bfloat16()
    return "fp32" if slow else precision
