"""Relation-aware attention taken to maps of another size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from relaytrack.reid.attention.resize import resized_attention
from relaytrack.reid.attention.rga import RelationAwareGlobalAttention

CHANNELS = 24


def attention(height: int, width: int, spa_ratio: int) -> RelationAwareGlobalAttention:
    torch.manual_seed(height)
    module = RelationAwareGlobalAttention(CHANNELS, height, width, cha_ratio=4, spa_ratio=spa_ratio, down_ratio=2)
    with torch.no_grad():
        for buffer in module.modules():
            if isinstance(buffer, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(buffer.weight, 0.5, 1.5)
                torch.nn.init.normal_(buffer.bias, std=0.3)
    return module.eval()


def test_the_same_size_changes_nothing() -> None:
    source = attention(6, 4, 4)
    state = resized_attention(source, 6, 4)
    assert all(torch.equal(state[name], tensor) for name, tensor in source.state_dict().items())


def test_an_even_map_gets_the_same_attention_at_twice_the_size() -> None:
    source, target = attention(6, 4, 4), attention(12, 8, 16)
    target.load_state_dict(resized_attention(source, 12, 8))
    levels = torch.randn(3, CHANNELS, 1, 1)
    with torch.no_grad():
        small, large = source(levels.expand(-1, -1, 6, 4)), target(levels.expand(-1, -1, 12, 8))
    torch.testing.assert_close(large[:, :, ::2, ::2], small, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(16, 8), (18, 5)])
def test_a_smooth_map_gets_nearly_the_same_attention(size: tuple[int, int]) -> None:
    source = attention(12, 6, 4)
    target = attention(*size, size[0] * size[1] // 18)
    fresh = F.interpolate(torch.randn(4, CHANNELS, 3, 2), size=(48, 24), mode="bicubic")
    small, large = (F.interpolate(fresh, size=s, mode="area") for s in ((12, 6), size))
    with torch.no_grad():
        expected = source(small).mean((2, 3))
        before = (target(large).mean((2, 3)) - expected).abs().mean()
        target.load_state_dict(resized_attention(source, *size))
        after = (target(large).mean((2, 3)) - expected).abs().mean()
    assert after < 0.2 * expected.abs().mean()
    assert after < 0.5 * before
