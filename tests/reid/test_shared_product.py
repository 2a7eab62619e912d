"""One matrix times each of a batch: the plain product's values and gradients."""

from __future__ import annotations

import pytest
import torch

from relaytrack.reid.attention.shared_product import shared_product


@pytest.mark.parametrize("transposed", [False, True])
def test_values_and_gradients_are_those_of_the_plain_product(transposed: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 7, dtype=torch.float64, generator=generator, requires_grad=True)
    nodes = torch.randn(3, 7, 4, dtype=torch.float64, generator=generator)
    if transposed:
        nodes = nodes.transpose(1, 2).contiguous().transpose(1, 2)
    nodes.requires_grad_()
    grad = torch.randn(3, 5, 4, dtype=torch.float64, generator=generator)
    made, plain = shared_product(weight, nodes), weight @ nodes
    torch.testing.assert_close(made, plain)
    got = torch.autograd.grad(made, (weight, nodes), grad)
    torch.testing.assert_close(got, torch.autograd.grad(plain, (weight, nodes), grad))
    assert torch.autograd.gradcheck(shared_product, (weight, nodes))


def test_only_the_gradients_that_are_wanted_are_made() -> None:
    weight, nodes = torch.ones(2, 3, requires_grad=True), torch.ones(4, 3, 5)
    shared_product(weight, nodes).sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, torch.full((2, 3), 20.0))
    assert nodes.grad is None


def test_autocast_counts_and_gradients_keep_the_parameters_type() -> None:
    weight, nodes = torch.rand(2, 3, requires_grad=True), torch.rand(4, 3, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        made = shared_product(weight, nodes)
    assert made.dtype == torch.bfloat16
    made.float().sum().backward()
    assert weight.grad is not None
    assert nodes.grad is not None
    assert weight.grad.dtype == nodes.grad.dtype == torch.float32
    torch.testing.assert_close(weight.grad, nodes.detach().sum((0, 2)).expand(2, 3), rtol=0.02, atol=0)
