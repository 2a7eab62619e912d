"""Losses, schedule, averaged weights, MixStyle and the quicker backward pass."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from relaytrack.reid.training.ema import averaged
from relaytrack.reid.training.losses import CentreLoss, batch_hard_triplet, circle, smoothed_cross_entropy
from relaytrack.reid.training.regularise import MixStyle
from relaytrack.reid.training.schedule import Schedule, progress
from relaytrack.reid.training.speedup import decimate_strided_depthwise

FEATURES = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
IDS = torch.arange(12) // 3


@pytest.mark.parametrize("margin", [0.3, None])
def test_triplet_equals_a_plain_loop(margin: float | None) -> None:
    x = FEATURES.float()
    total = 0.0
    for anchor in range(12):
        to = [(x[anchor] - x[other]).norm().item() for other in range(12)]
        farthest = max(d for d, i in zip(to, IDS, strict=True) if i == IDS[anchor])
        nearest = min(d for d, i in zip(to, IDS, strict=True) if i != IDS[anchor])
        gap = torch.tensor(farthest - nearest)
        total += float(torch.log1p(gap.exp()) if margin is None else (gap + margin).clamp_min(0))
    assert float(batch_hard_triplet(x, IDS, margin)) == pytest.approx(total / 12, rel=1e-4)


def test_triplet_gradient_is_finite_where_images_are_equal() -> None:
    x = torch.zeros(4, 3, requires_grad=True)
    batch_hard_triplet(x, torch.tensor([0, 0, 1, 1])).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_circle_equals_the_papers_sum() -> None:
    x = nn.functional.normalize(FEATURES.float())
    margin, gamma, total = 0.25, 8.0, 0.0
    for anchor in range(12):
        pull = push = 0.0
        for other in range(12):
            if other == anchor:
                continue
            s = float(x[anchor] @ x[other])
            if IDS[other] == IDS[anchor]:
                pull += float(torch.tensor(-gamma * max(0, 1 + margin - s) * (s - 1 + margin)).exp())
            else:
                push += float(torch.tensor(gamma * max(0, s + margin) * (s - margin)).exp())
        total += float(torch.log1p(torch.tensor(pull * push)))
    assert float(circle(FEATURES, IDS, margin, gamma)) == pytest.approx(total / 12, rel=1e-4)


def test_centre_loss_is_zero_at_the_centres_and_moves_them() -> None:
    loss = CentreLoss(4, 5)
    assert loss(loss.centres[IDS], IDS).item() == 0.0
    loss(FEATURES.float(), IDS).backward()
    assert loss.centres.grad is not None
    assert loss.centres.grad.abs().sum() > 0


def test_smoothing_prefers_less_certain_logits() -> None:
    certain = torch.tensor([[20.0, 0.0]])
    target = torch.tensor([0])
    assert float(smoothed_cross_entropy(certain, target, 0.0)) < 1e-6
    assert float(smoothed_cross_entropy(certain, target, 0.1)) == pytest.approx(1.0, rel=1e-3)


def test_schedules() -> None:
    cosine = Schedule(warmup=0.1, warmup_factor=0.01, floor=0.0)
    assert cosine.factor(0) == pytest.approx(0.01)
    assert cosine.factor(0.05) == pytest.approx(0.505)
    assert cosine.factor(0.1) == pytest.approx(1.0)
    assert cosine.factor(0.55) == pytest.approx(0.5)
    assert cosine.factor(1.0) == pytest.approx(0.0)
    step = Schedule("step", 0.0, 1.0, (0.5, 0.75), 0.1)
    assert [step.factor(p) for p in (0.4, 0.5, 0.8)] == pytest.approx([1, 0.1, 0.01])
    assert progress(50, 200, 10, None) == 0.25
    assert progress(50, 200, 30, 60) == 0.5
    assert progress(50, 200, 90, 60) == 1.0


def test_the_average_follows_the_weights() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = averaged(model, 0.9)
    before = copy.deepcopy(average.module.state_dict())
    with torch.no_grad():
        model[0].weight += 1
    average.update_parameters(model)
    keep = min(0.9, 2 / 11)
    expected = before["0.weight"] + (1 - keep)
    torch.testing.assert_close(average.module.state_dict()["0.weight"], expected)
    for _ in range(300):
        average.update_parameters(model)
    torch.testing.assert_close(average.module.state_dict()["0.weight"], model[0].weight.detach())


def test_mixstyle_only_changes_statistics_and_only_in_training() -> None:
    torch.manual_seed(0)
    layer = nn.Identity()
    MixStyle(1.0, 0.5).attach(layer)
    x = torch.randn(8, 3, 6, 5) * torch.arange(1, 9)[:, None, None, None]
    assert torch.equal(layer.eval()(x), x)
    y = layer.train()(x)
    assert not torch.allclose(y, x)

    def whitened(z: torch.Tensor) -> torch.Tensor:
        return (z - z.mean((2, 3), keepdim=True)) / z.std((2, 3), keepdim=True)

    torch.testing.assert_close(whitened(y), whitened(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(9, 7), (8, 6)])
def test_strided_depthwise_gradients_stay_the_same(height: int, width: int) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 6, 3, 2, 1, groups=6, bias=False).double()
    quick = copy.deepcopy(plain)
    assert decimate_strided_depthwise(quick) == 1
    x = torch.randn(2, 6, height, width, dtype=torch.float64, requires_grad=True)
    z = x.detach().clone().to(memory_format=torch.channels_last).requires_grad_()
    a, b = plain(x), quick(z)
    torch.testing.assert_close(a, b)
    a.square().sum().backward()
    b.square().sum().backward()
    torch.testing.assert_close(x.grad, z.grad)
    torch.testing.assert_close(plain.weight.grad, quick.weight.grad)
    torch.testing.assert_close(copy.deepcopy(quick)(z), a)
    with torch.no_grad():
        torch.testing.assert_close(quick(z), a)
        folded = copy.deepcopy(quick)
        folded.bias = nn.Parameter(torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(folded(z), a + 1)
    assert decimate_strided_depthwise(nn.Sequential(nn.Conv2d(6, 6, 3, 2, 1), nn.Conv2d(6, 6, 3, groups=6))) == 0
