"""Activations that training computes twice instead of keeping them: same values and gradients, less memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

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

    Whatever shares the product's memory (flattened, transposed) is taken out of a new product. The first use in the
    backward pass, long before the others, has one of its own; from the second on one lives to the last.
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
    """x * factor, made when its views are asked for."""

    def __init__(self, x: Tensor, factor: Tensor) -> None:
        self.x, self.factor = x, factor
        self.views = 0
        self._asked = 0
        self._made: Tensor | None = None

    def view(self, geometry: _View) -> Tensor:
        self._asked += 1
        made = self.x * self.factor if self._made is None else self._made
        self._made = made if 1 < self._asked < self.views else None
        return made.as_strided(*geometry)


def product_of_relu(weight: Tensor, x: Tensor) -> Tensor:
    """weight (H, M) times ReLU(x), x (B, M, P): (B, H, P); x itself is overwritten, nobody else may need it.

    One buffer of x's size less in the backward pass than ReLU and product apart.
    """
    result: Tensor = _ProductOfReLU.apply(weight.to(x.dtype), x)
    return result


class _ProductOfReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, x: Tensor) -> Tensor:
        activated = x.relu_()
        ctx.save_for_backward(weight, activated)
        return torch.bmm(weight.expand(len(x), -1, -1), activated)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        weight, activated = ctx.saved_tensors
        grad = grads[0].to(activated.dtype)
        to_weight = torch.bmm(grad, activated.transpose(1, 2)).sum(0)
        to_x = torch.bmm(weight.t().expand(len(grad), -1, -1), grad)
        return to_weight, to_x.masked_fill_(activated <= 0, 0)
