"""Weight files: safetensors whose header names the network and where the weights come from."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from relaytrack.reid.errors import ReidError, WeightsError
from relaytrack.reid.model import ModelSpec, ReidModel, build_model
from relaytrack.reid.outputs import write_whole
from relaytrack.reid.tensorfile import read_tensors

SPEC_KEY = "relaytrack.spec"
INFO_KEY = "relaytrack.info"
_IN_TRAINING = (
    "these weights are a checkpoint of `reid train`, whose batch-norm statistics are not measured yet; "
    "`relaytrack reid export` does that and makes a weight file"
)


@dataclasses.dataclass(frozen=True, slots=True)
class WeightsInfo:
    """What is known of a set of weights, beside its network.

    Attributes:
        name: short name of the weights.
        dataset: what they were trained on.
        licence: identifier or name of the weights' licence.
        notice: one line said at the start of each run that uses them; empty for none.
        threshold: cosine similarity from which two crops count as the same person, or None if not calibrated.
        false_accept: share of different-person pairs above the threshold where it was calibrated.
        false_reject: share of same-person pairs below it.
        results: measured figures, for example {"market1501/rank1": 0.9}.
        recipe: the command and configuration that made them, in one text.
    """

    name: str = ""
    dataset: str = ""
    licence: str = ""
    notice: str = ""
    threshold: float | None = None
    false_accept: float | None = None
    false_reject: float | None = None
    results: Mapping[str, float] = dataclasses.field(default_factory=dict)
    recipe: str = ""

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets of `dataset`, which are joined by " + " or commas."""
        return tuple(name for name in re.split(r"\s*[+,]\s*", self.dataset) if name)

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> WeightsInfo:
        """The inverse of `to_json`; keys of newer versions are left aside."""
        values = json.loads(text)
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})


def save_model(
    path: Path | str,
    model: ReidModel,
    info: WeightsInfo | None = None,
    *,
    half: bool = False,
    classifier: bool = False,
) -> Path:
    """Write a network's weights with its spec as safetensors.

    Args:
        path: file to write; folders are made.
        model: the network.
        info: what to say about the weights.
        half: store weight matrices as float16 (norms and biases stay float32): half the size.
        classifier: keep the training classifier too.

    Returns:
        The path written.

    Raises:
        ReidOutputError: it cannot be written; a file that was there stays as it was.
    """
    from safetensors.torch import save

    path = Path(path)
    tensors = {
        name: _stored(tensor, half)
        for name, tensor in model.state_dict().items()
        if classifier or not only_for_training(model.spec, name)
    }
    header = {
        "format": "pt",
        SPEC_KEY: json.dumps(model.spec.to_dict(), sort_keys=True),
        INFO_KEY: (info or WeightsInfo()).to_json(),
    }
    write_whole(path, save(tensors, header))  # not save_file, which leaves the file to its owner alone
    return path


def only_for_training(spec: ModelSpec, name: str) -> bool:
    """Whether a tensor of a network serves its training alone: classifiers, and all of the stripes' head."""
    return name.startswith("head." if spec.head == "stripes" else "head.classifier.")


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu()
    if half and tensor.is_floating_point() and tensor.ndim >= 2:
        tensor = tensor.half()
    return tensor.contiguous().clone()


def load_model(path: Path | str, *, spec: ModelSpec | None = None, num_classes: int = 0) -> ReidModel:
    """Build the network that a weight file belongs to and load it, in eval mode, float32, on the CPU.

    Args:
        path: a file of `save_model`, or a checkpoint of `relaytrack reid guide` or `reid train`, of which the running
            average counts.
        spec: the network that the weights must fit; None takes the one that the file names.
        num_classes: size of the training classifier; 0 leaves the file's classifier aside.

    Raises:
        WeightsError: the file is missing, unreadable, names no network, or belongs to another one (the first
            differing key is named).
    """
    tensors, beside = read_tensors(path)
    try:
        model = build_model(spec or _spec(path, beside), num_classes)
    except WeightsError:
        raise
    except ReidError as error:
        raise WeightsError(f"{path} names a network that is not known here: {error}") from error
    load_into(model, tensors, path)
    return model.eval()


def load_info(path: Path | str) -> WeightsInfo:
    """What a weight file says of itself; empty for files that say nothing.

    A checkpoint of `reid train` has the notice that it is one.

    Raises:
        WeightsError: the file is missing or unreadable.
    """
    _, beside = read_tensors(path)
    text = beside.get(INFO_KEY)
    if isinstance(text, str):
        return WeightsInfo.from_json(text)
    return WeightsInfo(notice=_IN_TRAINING) if "config" in beside and names_network(beside) else WeightsInfo()


def names_network(beside: Mapping[str, Any]) -> bool:
    """Whether what stands beside a file's tensors (`read_tensors`) says which network they belong to."""
    return _stored_spec(beside) is not None


def load_into(model: ReidModel, tensors: Mapping[str, Tensor], path: Path | str) -> None:
    """Load tensors read from `path` into a network; every tensor must be there and fit.

    Raises:
        WeightsError: naming the first differing key.
    """
    wanted = model.state_dict()
    given = dict(tensors)
    if not model.num_classes:  # a network that only embeds leaves the training's classifiers aside
        given = {name: tensor for name, tensor in given.items() if not only_for_training(model.spec, name)}
    for name, tensor in wanted.items():
        if name not in given:
            raise WeightsError(f"{path} belongs to another network: it has no {name}")
        if given[name].shape != tensor.shape:
            theirs, ours = tuple(given[name].shape), tuple(tensor.shape)
            raise WeightsError(f"{path} belongs to another network: {name} is {theirs} instead of {ours}")
    for name in given:
        if name not in wanted:
            raise WeightsError(f"{path} belongs to another network: nothing here is called {name}")
    if not all(bool(torch.isfinite(t).all()) for t in given.values() if t.is_floating_point()):
        raise WeightsError(f"{path} holds values that are not finite")
    model.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in given.items()})


def _stored_spec(beside: Mapping[str, Any]) -> Any:
    """A network's description in a header or a checkpoint; None where there is none."""
    stored = beside.get(SPEC_KEY, beside.get("spec"))
    config = beside.get("config")
    if stored is None and isinstance(config, Mapping) and isinstance(config.get("model"), Mapping):
        # a checkpoint of `reid train` of an earlier version
        stored = {key: value for key, value in config["model"].items() if key != "init"}
    return stored


def _spec(path: Path | str, beside: Mapping[str, Any]) -> ModelSpec:
    stored = _stored_spec(beside)
    if stored is None:
        raise WeightsError(
            f"{path} does not say which network it belongs to (convert it with `relaytrack reid import`)"
        )
    try:
        values = json.loads(stored) if isinstance(stored, str) else dict(stored)
        return ModelSpec.from_dict(values)
    except (ValueError, TypeError, ReidError) as error:
        raise WeightsError(f"{path} names a network that is not known here: {error}") from error
