"""The detectors of torchvision (BSD): Faster R-CNN, RetinaNet, FCOS, SSD and SSDlite, trained on COCO."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from relaytrack.pipeline.config.schema import DetectorConfig
from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import DetectorError, DeviceError
from relaytrack.pipeline.perception.detectors.base import inside_picture, suppress
from relaytrack.pipeline.perception.detectors.tiles import merge_views, views_of
from relaytrack.pipeline.records import Detections, Frame

DEFAULT = "fasterrcnn_mobilenet_v3_large_fpn"
_PERSON = 1
_CLASSES = 91


class TorchvisionDetector:
    """The detector. See `relaytrack.pipeline.perception.detectors.base.Detector`.

    Args:
        config: the detector's section. `model` names the architecture; `weights` is a file with its state dict.
            Without a file the weights that torchvision publishes are taken from its cache, and fetched only with
            `allow_download`.
        device: "cpu", "cuda" or "cuda:i", already resolved.

    Raises:
        DetectorError: no such architecture, no such file, a file of another network, no permission to download.
        DeviceError: the network cannot be put on `device`.
    """

    def __init__(self, config: DetectorConfig, device: str) -> None:
        from torchvision.models import detection, get_model, list_models

        name = config.model or DEFAULT
        known = [one for one in list_models(module=detection) if "rcnn" not in one or one.startswith("fasterrcnn")]
        if name not in known:
            raise DetectorError(f"detector.model: torchvision has no detector {name!r}; it has {', '.join(known)}")
        settings: dict[str, Any] = {"box_score_thresh" if "rcnn" in name else "score_thresh": config.score_threshold}
        settings["box_nms_thresh" if "rcnn" in name else "nms_thresh"] = config.iou_threshold
        settings["box_detections_per_img" if "rcnn" in name else "detections_per_img"] = config.max_people
        if config.image_size != "auto" and not name.startswith("ssd"):
            settings |= {"min_size": config.image_size, "max_size": config.image_size}
        state = _state(config, name)
        classes = _count_classes(name, state)
        try:
            module = get_model(name, weights=None, weights_backbone=None, num_classes=classes, **settings)
            module.load_state_dict(state)
        except (RuntimeError, ValueError, TypeError, KeyError) as error:
            reason = one_line(error)[:200]
            raise DetectorError(f"detector.weights: not the state dict of a {name}: {reason}") from None
        try:
            self._device = torch.device(device)
            self._module = module.to(self._device).eval()
        except (RuntimeError, AssertionError) as error:
            raise DeviceError(f"run.device: the detector cannot run on {device!r}: {error}") from None
        self._config = config
        self._person = config.person_class if config.person_class is not None else _PERSON
        self._one_at_a_time = threading.Lock()
        self.provider = f"torchvision {device}"

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Find the people of each frame; see `Detector.detect`."""
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Frame) -> Detections:
        """Each picture goes through by itself, so that no other changes its padding."""
        config = self._config
        height, width = frame.image.shape[:2]
        parts = []
        for view in views_of(width, height, config.tiles):
            picture = torch.from_numpy(np.ascontiguousarray(view.cut(frame.image))).to(self._device)
            with torch.no_grad(), self._one_at_a_time:
                found = self._module([picture.permute(2, 0, 1).float() / 255])[0]
            person = (found["labels"] == self._person).cpu().numpy()
            boxes = found["boxes"].cpu().numpy().astype(np.float32)[person]
            scores = found["scores"].cpu().numpy().astype(np.float32)[person]
            inside = inside_picture(Detections(boxes, scores), view.width, view.height)
            parts.append((view, suppress(inside, config.iou_threshold, config.max_people)))
        return parts[0][1] if len(parts) == 1 else merge_views(parts, config.iou_threshold, config.max_people)


def _state(config: DetectorConfig, name: str) -> dict[str, Any]:
    """The weights: of the file, else torchvision's own from its cache or, where that is allowed, from the network."""
    if config.weights:
        path = Path(config.weights)
        if not path.is_file():
            raise DetectorError(f"detector.weights: no such file: {path}")
        return _load(path)
    from torchvision.models import get_model_weights

    url: str = get_model_weights(name)["DEFAULT"].url
    folder = Path(os.environ.get("TORCH_HOME") or Path.home() / ".cache" / "torch") / "hub" / "checkpoints"
    path = folder / url.rsplit("/", 1)[-1]
    if not path.is_file():
        if not config.allow_download:
            raise DetectorError(
                f"detector.weights: no file given, and the published weights of {name} are not in {folder}; "
                "--allow-download (detector.allow_download) fetches them"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), path.stem.rsplit("-", 1)[-1], progress=False)
        except Exception as error:  # network, disk, checksum: each its own exception
            reason = one_line(error)[:200]
            raise DetectorError(f"detector.weights: {name} cannot be downloaded: {reason}") from None
    return _load(path)


def _load(path: Path) -> dict[str, Any]:
    """A state dict by restricted loading: no code of the file runs."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch each have their own
        reason = one_line(error)[:200]
        raise DetectorError(f"detector.weights: {path}: not a state dict: {reason}") from None
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise DetectorError(f"detector.weights: {path}: not a state dict")
    return state


def _count_classes(name: str, state: dict[str, Any]) -> int:
    """How many classes the head of the state dict has; COCO's 91 where it does not show."""
    weight = state.get("roi_heads.box_predictor.cls_score.weight")
    return int(weight.shape[0]) if weight is not None else _CLASSES
