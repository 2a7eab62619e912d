"""Checkpoints of the papers' released code -> our safetensors.

Two are understood: relation-aware global attention on ResNet-50 (tensors `backbone.*`, `backbone.rga_att1..4.*`,
`feat_bn.*`, `cls.weight`) and the parameter-free spatial attention network (`base.*`, `local_conv*`,
`instance*`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from relaytrack.reid.checkpoint import WeightsInfo, load_into, save_model
from relaytrack.reid.errors import WeightsError
from relaytrack.reid.model import ModelSpec, build_model
from relaytrack.reid.tensorfile import read_tensors

_UNUSED = ("base.fc.", "backbone.fc.", "fusion_conv.")  # in the files, without a part in the networks


@dataclasses.dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import found.

    Attributes:
        path: the file written.
        spec: the network that it holds.
        classes: identities that its classifier knew; 0 if it had none.
    """

    path: Path
    spec: ModelSpec
    classes: int


def import_checkpoint(
    source: Path | str, target: Path | str, *, info: WeightsInfo | None = None, half: bool = False
) -> ImportReport:
    """Convert a reference checkpoint, its classifier included.

    Args:
        source: checkpoint of the published RGA or parameter-free attention code.
        target: safetensors file to write.
        info: what to say about the weights (their data set and licence are the user's to know).
        half: store matrices as float16.

    Raises:
        WeightsError: the file is missing or unreadable, or is neither; names the first differing key.
    """
    tensors, _ = read_tensors(source)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(_UNUSED)}
    if any(name.startswith("backbone.") for name in tensors):
        spec, renamed, classifier = _rga(source, tensors)
    elif "local_conv.weight" in tensors:
        spec, renamed, classifier = _stripes(tensors)
    else:
        raise WeightsError(f"{source} is no checkpoint of a known reference network: first key {next(iter(tensors))}")
    classes = len(renamed[classifier]) if classifier in renamed else 0
    model = build_model(spec, classes)
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):  # checkpoints of torch 0.4 have no such counters
            renamed.setdefault(name, tensor)
    load_into(model, renamed, source)
    return ImportReport(save_model(target, model, info, half=half, classifier=classes > 0), spec, classes)


def _rga(source: Path | str, tensors: Mapping[str, Tensor]) -> tuple[ModelSpec, dict[str, Tensor], str]:
    renamed = {}
    for name, tensor in tensors.items():
        for theirs, ours in (
            ("backbone.rga_att", "attention.stage"),
            ("feat_bn.", "head.neck."),
            ("cls.", "head.classifier."),
        ):
            if name.startswith(theirs):
                name = ours + name.removeprefix(theirs)
                break
        renamed[name] = tensor
    stages = sorted(
        {int(name.split(".")[1].removeprefix("stage")) for name in renamed if name.startswith("attention.")}
    )
    if not stages:
        return ModelSpec(backbone="resnet50"), renamed, "head.classifier.weight"
    first = f"attention.stage{stages[0]}."
    spatial, channel = f"{first}gg_spatial.0.weight" in renamed, f"{first}gg_channel.0.weight" in renamed
    kind = "rga_" + "s" * spatial + "c" * channel
    stride = (4, 8, 16, 16)[stages[0] - 1]
    positions = (
        renamed[f"{first}gg_spatial.0.weight"].shape[1] // 2
        if spatial
        else renamed[f"{first}gx_channel.0.weight"].shape[1]
    )
    width = math.isqrt(positions // 2)  # pedestrians: images twice as high as wide
    if 2 * width * width != positions:
        raise WeightsError(f"{source}: attention over {positions} positions, which is no map twice as high as wide")
    spec = ModelSpec(
        backbone="resnet50",
        attention=kind,
        attention_stages=tuple(stages),
        height=2 * width * stride,
        width=width * stride,
    )
    return spec, renamed, "head.classifier.weight"


def _stripes(tensors: Mapping[str, Tensor]) -> tuple[ModelSpec, dict[str, Tensor], str]:
    renamed = {
        f"backbone.{name.removeprefix('base.')}" if name.startswith("base.") else f"head.{name}": tensor
        for name, tensor in tensors.items()
    }
    return ModelSpec(backbone="resnet50", head="stripes", height=384), renamed, "head.instance0.weight"
