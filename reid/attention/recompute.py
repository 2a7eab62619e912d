"""Activations that training computes again in the backward pass instead of keeping them: less memory, same values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def recomputed(function: Callable[..., Tensor], inputs: Sequence[Tensor], units: Sequence[nn.Sequential]) -> Tensor:
    """`function(*inputs, *units)`; where gradients are wanted, only its inputs are kept for the backward pass.

    The second time the batch norms of `units` leave their running statistics alone.
    """
    if not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)):
        return function(*inputs, *units)
    norms = [layer for unit in units for layer in unit if isinstance(layer, nn.BatchNorm2d)]
    result: Tensor = checkpoint(
        function,
        *inputs,
        *units,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), _statistics_kept(norms)),
    )
    return result


@contextmanager
def _statistics_kept(norms: list[nn.BatchNorm2d]) -> Iterator[None]:
    """Batch norms inside run as ever but leave their running statistics and counters as they are."""
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, counter) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counter


def product_recomputed(product: Tensor, x: Tensor, factor: Tensor) -> AbstractContextManager[object]:
    """While it is open, the backward pass keeps x and factor in place of `product`, which is x * factor.

    Whatever shares the product's memory (flattened, transposed) is taken out of a new product, which lives from
    its first use in the backward pass to its last.
    """
    if not (torch.is_grad_enabled() and product.requires_grad):
        return nullcontext()
    again = _Product(x.detach(), factor.detach())
    memory = product.untyped_storage().data_ptr()

    def pack(tensor: Tensor) -> Tensor | _View:
        if tensor.untyped_storage().data_ptr() != memory:
            return tensor
        again.views += 1
        return tensor.size(), tensor.stride(), int(tensor.storage_offset())

    def unpack(packed: Tensor | _View) -> Tensor:
        return packed if isinstance(packed, Tensor) else again.view(packed)

    return torch.autograd.graph.saved_tensors_hooks(pack, unpack)


_View = tuple[torch.Size, tuple[int, ...], int]


class _Product:
    """x * factor, made when one of its views is asked for and dropped after the last one."""

    def __init__(self, x: Tensor, factor: Tensor) -> None:
        self.x, self.factor = x, factor
        self.views = 0
        self._asked = 0
        self._made: Tensor | None = None

    def view(self, geometry: _View) -> Tensor:
        self._asked += 1
        made = self.x * self.factor if self._made is None else self._made
        self._made = made if self._asked < self.views else None
        return made.as_strided(*geometry)
