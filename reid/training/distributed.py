"""Several processes as one: start-up under `torchrun`, and batches joined with their gradients."""

from __future__ import annotations

import datetime
import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def start(device: torch.device) -> tuple[int, int]:
    """Join the group of processes that `torchrun` started.

    Returns:
        (rank, world); (0, 1) without torchrun.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return 0, 1
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if not dist.is_initialized():
        # a day: a run that is paused for a while goes on afterwards
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=datetime.timedelta(days=1))
    return dist.get_rank(), world


def first() -> bool:
    """Whether this process is the one that speaks for all, before and after `start`."""
    return int(os.environ.get("RANK", "0")) == 0


def stop() -> None:
    """Leave the group, if any."""
    if dist.is_initialized():
        dist.destroy_process_group()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        parts = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, mine.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad = grads[0].contiguous()
        dist.all_reduce(grad)
        return grad.chunk(dist.get_world_size())[dist.get_rank()]


def gather(mine: Tensor) -> Tensor:
    """Join every process's (b, ...) to (world * b, ...) in rank order, with gradients.

    Each process then computes the loss of the whole batch; the sum over processes that comes back here and
    DistributedDataParallel's mean make the gradient that one process would have.
    """
    if not dist.is_initialized():
        return mine
    joined: Tensor = _Gather.apply(mine)
    return joined


def agree(value: float) -> float:
    """The largest value of all processes (so that all take the same decision)."""
    if not dist.is_initialized():
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    cell = torch.tensor(value, dtype=torch.float64, device=device)
    dist.all_reduce(cell, op=dist.ReduceOp.MAX)
    return float(cell)


def barrier() -> None:
    """Wait for all processes."""
    if dist.is_initialized():
        dist.barrier()


def gather_labels(mine: Tensor) -> Tensor:
    """Join every process's labels (b,) to (world * b,) in rank order."""
    if not dist.is_initialized():
        return mine
    parts = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, mine)
    return torch.cat(parts)
