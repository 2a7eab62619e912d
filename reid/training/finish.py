"""From a trained network to a weight file that says what it is and from which similarity on people are the same."""

from __future__ import annotations

import dataclasses
import logging
import pickle
from pathlib import Path

import torch

from relaytrack.reid.checkpoint import WeightsInfo, load_model, save_model
from relaytrack.reid.datasets.base import Split
from relaytrack.reid.errors import DatasetError, ReidError, WeightsError, first_line
from relaytrack.reid.evaluation.embed import embed_files, evaluate_split
from relaytrack.reid.evaluation.threshold import Calibration, calibrate
from relaytrack.reid.model import ReidModel, build_model
from relaytrack.reid.training.config import TrainConfig
from relaytrack.reid.training.config_file import parse_config
from relaytrack.reid.training.start import spec_of
from relaytrack.reid.training.trainer import Trainer

log = logging.getLogger(__name__)


def finish(trainer: Trainer, *, name: str = "", licence: str = "", notice: str = "") -> Path:
    """Write `weights.safetensors` of a run: the averaged network, calibrated on the held-out identities.

    Where they cannot be measured any more (a picture has vanished since the start) a warning says so, and the weights
    are written without a threshold.

    Raises:
        ReidOutputError: the file cannot be written.
    """
    info = WeightsInfo(
        name=name, dataset=_datasets(trainer.config), licence=licence, notice=notice, recipe=_recipe(trainer)
    )
    model = trainer.evaluated()
    if trainer.validation is not None:
        try:
            info = calibrated(model, info, trainer.validation, device=trainer.device)
        except ReidError as error:
            log.warning("the weights get no threshold: %s", error)
    return save_model(trainer.out / "weights.safetensors", model, info, half=True)


def calibrated(model: ReidModel, info: WeightsInfo, split: Split, *, device: torch.device | str = "cpu") -> WeightsInfo:
    """`info` with the threshold, error rates and scores measured on people that training has not seen.

    The threshold is the equal-error one; results hold the strict one (1 false accept in 1,000) and the logistic
    curve under "calibration/...". A split without anybody seen by two cameras leaves `info` as it is.
    """
    size = (model.spec.height, model.spec.width)
    embeddings = embed_files(model, split.paths, size, device=device)
    try:
        measured = calibrate(embeddings, split.ids, split.cameras)
        scores = evaluate_split(split, embeddings)
    except DatasetError as error:
        log.warning("the weights get no threshold: %s", error)
        return info
    return with_calibration(info, measured, {f"validation/{k}": v for k, v in scores.to_dict().items()})


def with_calibration(info: WeightsInfo, measured: Calibration, results: dict[str, float]) -> WeightsInfo:
    """`info` with a calibration and further results."""
    point, strict = measured.equal_error, measured.strict
    return dataclasses.replace(
        info,
        threshold=point.threshold,
        false_accept=point.false_accept,
        false_reject=point.false_reject,
        results={
            **info.results,
            **results,
            "calibration/strict_threshold": strict.threshold,
            "calibration/strict_false_accept": strict.false_accept,
            "calibration/strict_false_reject": strict.false_reject,
            "calibration/slope": measured.slope,
            "calibration/offset": measured.offset,
            "calibration/same_pairs": measured.same,
            "calibration/different_pairs": measured.different,
        },
    )


def read_checkpoint(path: Path | str) -> tuple[ReidModel, TrainConfig | None, int]:
    """The averaged network, the configuration (None with `reid guide`) and the step of a training checkpoint.

    Raises:
        WeightsError: the file is missing or is no training checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if "config" not in state and "spec" in state:  # of `reid guide`
            return load_model(path), None, int(state.get("step", 0))
        config = parse_config(state["config"])
        model = build_model(spec_of(config), state["classes"])
        model.load_state_dict(state["average"] or state["model"])
    except WeightsError:
        raise
    except FileNotFoundError as error:
        raise WeightsError(f"checkpoint not found: {path}") from error
    except pickle.UnpicklingError as error:  # torch's own text advises to read it unsafely
        raise WeightsError(f"{path} is no training checkpoint: not a file of plain tensors") from error
    except KeyError as error:
        raise WeightsError(f"{path} is no training checkpoint: it has no entry {error}") from error
    except Exception as error:  # torch raises many kinds for files that are something else
        reason = first_line(error)
        if "inline_container" in str(error) or "PytorchStreamReader" in str(error):
            reason = "a damaged file, or a zip archive of something else"
        raise WeightsError(f"{path} is no training checkpoint: {reason}") from error
    return model.eval(), config, int(state["step"])


def _datasets(config: TrainConfig) -> str:
    return " + ".join(source.name for source in config.data.sources)


def _recipe(trainer: Trainer) -> str:
    import json

    values = trainer.config.dump()
    for source in values["data"]["sources"]:
        source["root"] = "DIR"
    values["run"]["out"] = "OUT"
    if values["model"]["init"] not in ("imagenet", "scratch"):
        values["model"]["init"] = "FILE"
    return f"{trainer.step} iterations; {json.dumps(values, sort_keys=True)}"
