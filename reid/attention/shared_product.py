"""One matrix times every matrix of a batch, quick and lean on CPUs in training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def shared_product(weight: Tensor, nodes: Tensor) -> Tensor:
    """Multiply weight (K, I) with each of nodes (B, I, P): (B, K, P).

    It is `weight @ nodes`, which would copy the nodes to make one large product, and whose gradient for the weight
    would be one matrix for each of the batch before their sum. Autocast counts as it does for a product.
    """
    kind = nodes.device.type
    if torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
        weight, nodes = weight.to(dtype), nodes.to(dtype)
    product: Tensor = _SharedProduct.apply(weight, nodes)
    return product


class _SharedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, nodes: Tensor) -> Tensor:
        ctx.save_for_backward(weight, nodes)
        return torch.bmm(_repeated(weight, nodes), nodes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        weight, nodes = ctx.saved_tensors
        to_weight = _sum_of_products(grad, nodes) if ctx.needs_input_grad[0] else None
        to_nodes = torch.bmm(_repeated(weight.t(), grad), grad) if ctx.needs_input_grad[1] else None
        return to_weight, to_nodes


def _repeated(weight: Tensor, batch: Tensor) -> Tensor:
    return weight.expand(len(batch), -1, -1)


def _sum_of_products(grad: Tensor, nodes: Tensor) -> Tensor:
    """The sum over the batch of grad (B, K, P) times nodes (B, I, P) transposed: (K, I)."""
    if grad.device.type != "cpu" or grad.dtype not in (torch.float32, torch.float64):
        return torch.bmm(grad, nodes.transpose(1, 2)).sum(0)
    total = grad.new_zeros(grad.shape[1], nodes.shape[1])
    for one, node in zip(grad, nodes, strict=True):
        total.addmm_(one, node.t())
    return total
