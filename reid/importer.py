"""Checkpoints of the papers' released code -> our safetensors.

Three are understood: relation-aware global attention on ResNet-50 (tensors `backbone.*`, `backbone.rga_att1..4.*`,
`feat_bn.*`, `cls.weight`), the parameter-free spatial attention network (`base.*`, `local_conv*`, `instance*`) and
torchreid's OSNet without instance norm (`conv1..5.*`, `fc.0.*`, `fc.1.*`). Whole networks come as ONNX files or in
OpenVINO's form (`relaytrack.reid.openvino`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from relaytrack.reid.backends import OnnxBackend
from relaytrack.reid.checkpoint import WeightsInfo, load_into, save_model
from relaytrack.reid.errors import WeightsError
from relaytrack.reid.model import ModelSpec, build_model
from relaytrack.reid.onnx_weights import onnx_info, read_onnx, size_of, store_half, write_onnx
from relaytrack.reid.openvino.to_onnx import Colours, ir_to_onnx
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


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkReport:
    """What the import of a whole network found.

    Attributes:
        path: the ONNX file written.
        input_size: (height, width) of its input, pixels.
        dim: length of its embedding.
        parameters: floating-point numbers in it.
        multiplications: for one image.
        difference: largest difference of an embedding to that of the source, both as unit vectors; 0 where the
            source cannot be run here.
    """

    path: Path
    input_size: tuple[int, int]
    dim: int
    parameters: int
    multiplications: int
    difference: float

    def describe(self) -> str:
        """One line."""
        return (
            f"{self.path}: {self.input_size[0]} x {self.input_size[1]}, {self.dim} numbers, "
            f"{self.parameters / 1e6:.2f} M parameters, {self.multiplications / 1e6:.0f} M multiplications, "
            f"at most {self.difference:.1e} from the source"
        )


def import_network(
    source: Path,
    target: Path,
    *,
    info: WeightsInfo | None = None,
    half: bool = False,
    colours: Colours = "bgr255",
) -> NetworkReport:
    """Take over a network that is not one of ours as an ONNX file that says what it is.

    Args:
        source: ONNX file: images (B, 3, H, W), RGB, ImageNet-normalised, to embeddings (B, D); or the .xml of an
            OpenVINO network whose .bin lies beside it.
        target: ONNX file to write.
        info: what to say about the weights; what the source says stays where this is empty.
        half: store matrices as float16 (the network computes in float32 all the same).
        colours: what an OpenVINO network wants, see `relaytrack.reid.openvino.to_onnx`.

    Raises:
        WeightsError: the file is missing or unreadable, or maps something else to something else.
        ReidOutputError: the target cannot be written.
    """
    proto = ir_to_onnx(source, colours=colours) if source.suffix == ".xml" else read_onnx(source)
    before = OnnxBackend(proto.SerializeToString(), torch.device("cpu"), name=str(source))
    known = onnx_info(proto)
    if half:
        store_half(proto)
    after = OnnxBackend(proto.SerializeToString(), torch.device("cpu"), name=str(target))
    _check_batches(before, source)
    images = torch.randn(2, 3, *before.input_size, generator=torch.Generator().manual_seed(0))
    vectors = [torch.nn.functional.normalize(torch.from_numpy(one.run(images))) for one in (before, after)]
    given = {name: value for name, value in dataclasses.asdict(info or WeightsInfo()).items() if value}
    parameters, multiplications = size_of(proto)
    write_onnx(target, proto, dataclasses.replace(known, **given))
    difference = float((vectors[0] - vectors[1]).abs().max())
    return NetworkReport(target, before.input_size, before.dim, parameters, multiplications, difference)


def _check_batches(network: OnnxBackend, source: Path) -> None:
    """Refuse a network that gives an image other numbers beside others (a reshape with a fixed batch, say).

    Raises:
        WeightsError: it does, or it cannot run at all.
    """
    images = torch.randn(3, 3, *network.input_size, generator=torch.Generator().manual_seed(1))
    try:
        together = network.run(images)
        alone = np.concatenate([network.run(images[i : i + 1]) for i in range(3)])
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise WeightsError(f"{source}: the network does not run: {' '.join(str(error).split())}") from error
    if together.shape != alone.shape or not np.isfinite(alone).all():
        raise WeightsError(
            f"{source}: for three images the output has the shape {together.shape}, or values that are not finite"
        )
    if np.abs(together - alone).max() > 1e-3 * max(np.abs(alone).max(), 1e-12):
        raise WeightsError(f"{source}: the embedding of an image depends on the other images of its batch")


def import_checkpoint(
    source: Path | str, target: Path | str, *, info: WeightsInfo | None = None, half: bool = False
) -> ImportReport:
    """Convert a reference checkpoint, its classifier included.

    Args:
        source: checkpoint of the published RGA or parameter-free attention code, or of torchreid's OSNet.
        target: safetensors file to write.
        info: what to say about the weights (their data set and licence are the user's to know).
        half: store matrices as float16.

    Raises:
        WeightsError: the file is missing or unreadable, or of another network; names the first differing key.
    """
    tensors, _ = read_tensors(source)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(_UNUSED)}
    if any(name.startswith("backbone.") for name in tensors):
        spec, renamed, classifier = _rga(source, tensors)
    elif "conv2.0.conv2a.conv1.weight" in tensors:
        spec, renamed = _osnet(source, tensors)
        classifier = ""
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


_OSNETS = {64: "osnet_x1_0", 48: "osnet_x0_75", 32: "osnet_x0_5", 16: "osnet_x0_25"}


def _osnet(source: Path | str, tensors: Mapping[str, Tensor]) -> tuple[ModelSpec, dict[str, Tensor]]:
    """Torchreid's OSNet; its classifier has a bias, which ours has not, and is left aside.

    Raises:
        WeightsError: a variant with instance norm, of another width, or without the projection.
    """
    width = len(tensors.get("conv1.conv.weight", ()))
    if width not in _OSNETS:
        raise WeightsError(
            f"{source}: the first convolution of this OSNet has {width} channels; known are {list(_OSNETS)}"
        )
    if "conv1.bn.running_mean" not in tensors or any(".IN." in name for name in tensors):
        raise WeightsError(
            f"{source}: an OSNet with instance norm (osnet_ibn, osnet_ain) is not supported, only the plain one"
        )
    needed = ("fc.0.weight", "fc.0.bias", "fc.1.running_mean")
    missing = next((name for name in needed if name not in tensors), None)
    if missing is not None:
        raise WeightsError(f"{source}: this OSNet has no {missing}, and the embedding is computed from it")
    renamed = {}
    for name, tensor in tensors.items():
        if name.startswith("conv"):
            renamed[f"backbone.{name}"] = tensor
        elif name.startswith("fc.1."):
            renamed[f"head.neck.{name.removeprefix('fc.1.')}"] = tensor
        elif name == "fc.0.weight":
            renamed["head.project.weight"] = tensor
    # The projection's bias goes through the batch norm after it: a smaller mean does the same.
    renamed["head.neck.running_mean"] = tensors["fc.1.running_mean"] - tensors["fc.0.bias"]
    dim = len(tensors["fc.0.weight"])
    return ModelSpec(backbone=_OSNETS[width], embedding_dim=dim, feature="relu"), renamed


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
        raise WeightsError(
            f"{source}: the attention has {positions} positions; it must be a map that is twice as high as wide"
        )
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
