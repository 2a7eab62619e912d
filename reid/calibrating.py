"""Weights measured anew: the same-person threshold on one or more data sets, stored with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from relaytrack.reid.checkpoint import WeightsInfo, load_info, load_model, save_model
from relaytrack.reid.datasets.base import Split
from relaytrack.reid.errors import DatasetError
from relaytrack.reid.evaluation.embed import embed_files, evaluate_split
from relaytrack.reid.evaluation.threshold import calibrate_pairs, operating_point, pair_similarities
from relaytrack.reid.onnx_weights import onnx_info, read_onnx, write_onnx
from relaytrack.reid.tensorfile import read_tensors
from relaytrack.reid.training.finish import with_calibration
from relaytrack.reid.training.held_out import need_scorable, readable


def recalibrate(weights: Path, parts: Mapping[str, Split], target: Path) -> WeightsInfo:
    """Measure the threshold of a weight file and write the file again with it.

    Args:
        weights: safetensors, or ONNX.
        parts: people that the weights have not learned, by the name of their data set; each set weighs the same.
        target: file to write, of the same form.

    Returns:
        What the file says of itself now: beside the threshold, scores under "validation/..." and error rates under
        "calibration/...", with several data sets also those of each, under "validation/NAME/..." and
        "calibration/NAME/...".

    Raises:
        WeightsError: the weights are missing or of no use.
        DatasetError: the people cannot tell a threshold.
        ReidOutputError: the target cannot be written.
    """
    splits = {name: readable(split) for name, split in parts.items()}
    for name, split in splits.items():
        if not len(split) and len(parts[name]):
            raise DatasetError(
                f"{name}: none of the {len(parts[name])} images can be decoded, the first is {parts[name].paths[0]}"
            )
        need_scorable(name, split)
    embedded = {name: embeddings_of(weights, split) for name, split in splits.items()}
    pairs = {name: pair_similarities(embedded[name], split.ids, split.cameras) for name, split in splits.items()}
    measured = calibrate_pairs(list(pairs.values()))
    scores = {name: evaluate_split(split, embedded[name]).to_dict() for name, split in splits.items()}
    results: dict[str, float] = {}
    if len(splits) == 1:
        results = {f"validation/{key}": value for only in scores.values() for key, value in only.items()}
    else:
        for name, (same, different) in pairs.items():
            point = operating_point(same, different, measured.equal_error.threshold)
            results |= {f"validation/{name}/{key}": value for key, value in scores[name].items()}
            results[f"calibration/{name}/false_accept"] = point.false_accept
            results[f"calibration/{name}/false_reject"] = point.false_reject
    if weights.suffix == ".onnx":
        proto = read_onnx(weights)
        info = with_calibration(_without_old(onnx_info(proto)), measured, results)
        write_onnx(target, proto, info)
        return info
    info = with_calibration(_without_old(load_info(weights)), measured, results)
    half = any(tensor.dtype == torch.float16 for tensor in read_tensors(weights)[0].values())
    save_model(target, load_model(weights), info, half=half)
    return info


def embeddings_of(weights: Path, split: Split) -> NDArray[np.float32]:
    """Unit vectors (N, D) of a split's images by a weight file, safetensors or ONNX.

    Raises:
        WeightsError: the weights are missing or of no use.
        DatasetError: an image cannot be decoded.
    """
    if weights.suffix != ".onnx":
        model = load_model(weights)
        return embed_files(model, split.paths, (model.spec.height, model.spec.width))
    from relaytrack.reid.embedder import Embedder
    from relaytrack.reid.file_embeddings import embed_paths

    return embed_paths(Embedder(weights, "cpu"), split.paths)


def _without_old(info: WeightsInfo) -> WeightsInfo:
    """Forget earlier measurements, which were made on other people."""
    kept = {key: value for key, value in info.results.items() if not key.startswith(("validation/", "calibration/"))}
    return dataclasses.replace(info, results=kept)
