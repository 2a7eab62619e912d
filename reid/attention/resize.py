"""Weights of relation-aware attention for maps of another size.

RGA stacks positions in a fixed order, so some of its weights have one column per position: the relations of the
spatial branch (two halves, one per direction) and the three embeddings of the channel branch. Laid out as pictures
of H x W cells, they are resized like pictures and scaled by the number of cells; everything else is kept. A sum over
positions then has nearly the same value on the same map at another resolution, so the batch norms behind it still
fit: a start for more training, not a trained network.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from relaytrack.reid.attention.rga import RelationAwareGlobalAttention

# how many columns each position has
_BY_POSITION = {
    "gg_spatial.0.weight": 2,
    "theta_channel.0.weight": 1,
    "phi_channel.0.weight": 1,
    "gx_channel.0.weight": 1,
}


def resized_attention(source: RelationAwareGlobalAttention, height: int, width: int) -> dict[str, Tensor]:
    """The state of an attention, fit for maps of (channels, height, width).

    Args:
        source: an attention of any map size.
        height: H of the new maps, cells.
        width: W of the new maps, cells.

    Returns:
        A state dict for an attention of the new size whose embeddings have as many outputs as the source's
        (`spa_ratio` divides the number of positions, so it grows with them).
    """
    _, old_height, old_width = source.size
    state = dict(source.state_dict())
    if (old_height, old_width) == (height, width):
        return state
    for name, halves in _BY_POSITION.items():
        if name in state:
            weight = state[name]
            pictures = weight.reshape(len(weight), halves, old_height, old_width).float()
            pictures = F.interpolate(pictures, size=(height, width), mode="bilinear", align_corners=False)
            pictures = pictures * (old_height * old_width / (height * width))
            state[name] = pictures.reshape(len(weight), -1, 1, 1).to(weight.dtype)
    return state


def resized_state(state: dict[str, Tensor], source: nn.Module, target: nn.Module) -> dict[str, Tensor]:
    """`state`, a state dict of `source`, with every attention's weights resized to those of `target`.

    Args:
        state: a state dict of `source`; not changed.
        source: the network that the weights are of.
        target: the same network for another input size.
    """
    sizes = {n: m.size for n, m in target.named_modules() if isinstance(m, RelationAwareGlobalAttention)}
    resized = dict(state)
    for name, module in source.named_modules():
        if isinstance(module, RelationAwareGlobalAttention) and name in sizes:
            _, height, width = sizes[name]
            resized.update({f"{name}.{key}": t for key, t in resized_attention(module, height, width).items()})
    return resized
