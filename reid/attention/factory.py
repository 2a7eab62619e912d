"""One name per attention."""

from __future__ import annotations

from torch import nn

from relaytrack.reid.attention.parameter_free import ParameterFreeSpatialAttention
from relaytrack.reid.attention.rga import RelationAwareGlobalAttention
from relaytrack.reid.errors import ReidError

KINDS = ("none", "rga_s", "rga_c", "rga_sc", "pfsa", "pfsa_softmax")


def create_attention(
    kind: str, channels: int, height: int, width: int, *, ratios: tuple[int, int, int] = (8, 8, 8)
) -> nn.Module:
    """Make the attention that follows a stage with maps of (channels, height, width).

    Args:
        kind: one of `KINDS`; "pfsa" is the released code's form, "pfsa_softmax" the paper's.
        channels: channels of the stage's output.
        height: cells of the stage's output.
        width: cells of the stage's output.
        ratios: (cha_ratio, spa_ratio, down_ratio) of RGA.

    Raises:
        ReidError: no such kind.
    """
    if kind == "none":
        return nn.Identity()
    if kind in ("rga_s", "rga_c", "rga_sc"):
        branches = kind.removeprefix("rga_")
        cha, spa, down = ratios
        return RelationAwareGlobalAttention(
            channels,
            height,
            width,
            spatial="s" in branches,
            channel="c" in branches,
            cha_ratio=cha,
            spa_ratio=spa,
            down_ratio=down,
        )
    if kind == "pfsa":
        return ParameterFreeSpatialAttention("code", rescale=True)
    if kind == "pfsa_softmax":
        return ParameterFreeSpatialAttention("paper", rescale=True)
    raise ReidError(f"unknown attention {kind!r}: choose one of {', '.join(KINDS)}")
