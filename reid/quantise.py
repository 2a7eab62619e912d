"""Networks with 8-bit integers, for CPUs that multiply them faster (AVX-512 VNNI, AVX VNNI, Arm's dot product).

Static quantisation as onnxruntime does it: convolutions, sums, maxima and means take unsigned 8-bit maps, whose ranges
are measured on crops of people; weights are signed 8-bit with a scale per output channel, without which the depthwise
convolutions lose too much.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.errors import ReidError
from relaytrack.reid.imagenet import IMAGENET_MEAN, IMAGENET_STD
from relaytrack.reid.onnx_runtime import import_onnxruntime

_KINDS = ["Conv", "Add", "Relu", "MaxPool", "AveragePool"]
_BATCH = 16
FEWEST_CROPS = 32


def quantised(network: bytes, images: NDArray[np.float32]) -> bytes:
    """The 8-bit form of an ONNX network from `relaytrack.reid.export.to_onnx`; its metadata is kept.

    Args:
        network: the file's bytes.
        images: (N, 3, H, W) float32, ImageNet-normalised crops of people to measure ranges on; a few hundred of many
            places are best, at least `FEWEST_CROPS` are needed.

    Raises:
        ReidError: too few crops, or they have another size than the network's input.
    """
    import onnx

    takes = onnx.load_from_string(network).graph.input[0]
    size = tuple(d.dim_value for d in takes.type.tensor_type.shape.dim)[1:]
    if len(images) < FEWEST_CROPS or images.shape[1:] != size:
        raise ReidError(
            f"8-bit ranges need at least {FEWEST_CROPS} crops of shape {size}, not {len(images)} of {images.shape[1:]}"
        )
    return in_int8(network, np.array_split(images, -(-len(images) // _BATCH)), _KINDS)


def in_int8(
    network: bytes, batches: Sequence[NDArray[np.float32]], kinds: Sequence[str], exact_outputs: Collection[str] = ()
) -> bytes:
    """The 8-bit form of any ONNX network with one input; its metadata is kept.

    Args:
        network: the file's bytes.
        batches: inputs to measure the ranges of the maps on.
        kinds: operations that are to be done in 8 bits.
        exact_outputs: names of maps whose operations stay in single precision.
    """
    import onnx

    quantization: Any = import_onnxruntime("onnxruntime.quantization")
    source = onnx.load_from_string(network)
    takes = source.graph.input[0].name

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        """Hands over the inputs, a batch at a time."""

        def __init__(self) -> None:
            self._batches = iter(batches)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            """The next batch, None after the last."""
            batch = next(self._batches, None)
            return None if batch is None else {takes: batch}

    with tempfile.TemporaryDirectory() as folder:
        given, prepared, made = (Path(folder) / f"{name}.onnx" for name in ("given", "prepared", "made"))
        given.write_bytes(network)
        quantization.quant_pre_process(str(given), str(prepared), skip_symbolic_shape=True)
        nodes = onnx.load(str(prepared)).graph.node
        quantization.quantize_static(
            str(prepared),
            str(made),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(kinds),
            nodes_to_exclude=[node.name for node in nodes if set(node.output) & set(exact_outputs)],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        proto = onnx.load(str(made))
    _pool_before_relu(proto.graph)
    onnx.helper.set_model_props(proto, {entry.key: entry.value for entry in source.metadata_props})
    data: bytes = proto.SerializeToString()
    return data


def _pool_before_relu(graph: Any) -> None:
    """Exchange a ReLU and the maximum pooling behind it, where nothing else takes the ReLU's map; in place.

    The result is the same. But onnxruntime moves the step to 8 bits from behind a pooling to before it, and its pooling
    of 8-bit maps takes five times as long as that of floats. It does not move it to before a ReLU.
    """
    takers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            takers[name] = takers.get(name, 0) + 1
    nodes = list(graph.node)
    makers = {node.output[0]: place for place, node in enumerate(nodes)}
    for place, pool in enumerate(nodes):
        before = makers.get(pool.input[0]) if pool.op_type == "MaxPool" and len(pool.output) == 1 else None
        if before is None or nodes[before].op_type != "Relu" or takers[pool.input[0]] != 1:
            continue
        relu, result = nodes[before], pool.output[0]
        pool.input[0], pool.output[0] = relu.input[0], f"{result}_before_relu"
        relu.input[0], relu.output[0] = pool.output[0], result
        nodes[before], nodes[place] = pool, relu
    del graph.node[:]
    graph.node.extend(nodes)


def normalised_crops(paths: Sequence[Path], height: int, width: int) -> NDArray[np.float32]:
    """Pictures as `quantised` takes them: (N, 3, height, width); at most 512, evenly drawn from `paths`.

    Raises:
        DatasetError: a picture cannot be decoded; it is named.
    """
    from relaytrack.reid.datasets.images import read_resized

    chosen = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, min(512, len(paths))).astype(int))]
    values = np.asarray(read_resized(chosen, height, width), np.float32) / 255
    normal = (values - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
    return np.ascontiguousarray(normal.transpose(0, 3, 1, 2), np.float32)


def mean_cosine(first: bytes, second: bytes, images: NDArray[np.float32]) -> float:
    """How alike two networks see crops (N, 3, H, W): the mean cosine of their embeddings."""
    onnxruntime = import_onnxruntime()

    found = []
    for network in (first, second):
        session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        parts = [session.run(None, {name: batch})[0] for batch in np.array_split(images, -(-len(images) // _BATCH))]
        embeddings = np.concatenate(parts)
        found.append(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))
    return float((found[0] * found[1]).sum(1).mean())
