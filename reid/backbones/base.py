"""What every backbone offers: its stages one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a backbone.

    Attributes:
        channels: channels of its output.
        stride: pixels of the image per cell of its output.
    """

    channels: int
    stride: int


class Backbone(nn.Module):
    """A network cut into stages, so that an attention can stand after each of them.

    Attributes:
        stages: what comes out of each stage, first to last (the stem belongs to the first).
        channels: channels of the final map, after `tail`.
    """

    stages: tuple[Stage, ...]
    channels: int

    def blocks(self) -> Sequence[nn.Module]:
        """The modules of each stage, in order; the first takes the image (B, 3, H, W)."""
        raise NotImplementedError

    def tail(self) -> nn.Module:
        """What follows the last stage's attention (nothing, for most)."""
        return nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """The final map without any attention."""
        x = images
        for block in self.blocks():
            x = block(x)
        return self.tail()(x)  # type: ignore[no-any-return]
