"""One network out of several of the same run or start: the mean of their weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch

from relaytrack.reid.checkpoint import load_into, load_model
from relaytrack.reid.errors import WeightsError
from relaytrack.reid.model import ReidModel, build_model
from relaytrack.reid.training.finish import read_checkpoint


def load_any(path: Path) -> ReidModel:
    """The network of a weight file, or the running average of a training checkpoint, without the classifier.

    Raises:
        WeightsError: the file is missing or is neither.
    """
    if path.suffix == ".safetensors":
        return load_model(path)
    trained, _, _ = read_checkpoint(path)
    network = build_model(trained.spec)
    load_into(network, trained.state_dict(), path)
    return network.eval()


def average_networks(networks: Sequence[ReidModel]) -> ReidModel:
    """The network whose weights and batch-norm statistics are the mean of those of several.

    Networks that started from the same weights, or stopped at different times of one run, lie in one basin of the
    loss; the middle of it serves unseen people better than any of them (Izmailov et al., UAI 2018; Wortsman et al.,
    *Model soups*, ICML 2022). Networks with different starts have nothing to average.

    Args:
        networks: at least one, all of the same spec.

    Raises:
        ValueError: there is none.
        WeightsError: they are different networks.
    """
    if not networks:
        raise ValueError("there is no network to average")
    spec = networks[0].spec
    for other in networks[1:]:
        if other.spec != spec:
            ours, theirs = spec.to_dict(), other.spec.to_dict()
            key = next(key for key in ours if ours[key] != theirs[key])
            raise WeightsError(f"only weights of one network can be averaged: {key} is {ours[key]} and {theirs[key]}")
    made = copy.deepcopy(networks[0])
    states = [network.state_dict() for network in networks]
    mean = {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(tensor.dtype)
        for name, tensor in states[0].items()
    }
    made.load_state_dict(mean)
    return made.eval()
