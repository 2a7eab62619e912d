"""Any YOLO that ultralytics runs, as a person detector: `.pt`, `.onnx` or `.engine` file, or a model's name."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from relaytrack.pipeline.config.schema import DetectorConfig
from relaytrack.pipeline.errors import DetectorError, DeviceError
from relaytrack.pipeline.perception.detectors.base import inside_picture
from relaytrack.pipeline.perception.detectors.onnx_file import OnnxFileError, read_model
from relaytrack.pipeline.perception.detectors.ultralytics_import import contained, import_ultralytics, loads_safely
from relaytrack.pipeline.records import Detections, Frame
from relaytrack.reid.onnx_runtime import import_onnxruntime

_SUFFIXES = (".pt", ".onnx", ".engine")
_DEFAULT_SIDE = 640
_BATCH = 8


class Yolo:
    """The detector. See `relaytrack.pipeline.perception.detectors.base.Detector`.

    Frames of one size go through `predict` together; frames of different sizes never do, because ultralytics
    pads a mixed batch differently from a uniform one. A model exported for a fixed batch runs frame by frame.

    Args:
        config: the detector's section; `weights` must be given.
        device: "cpu", "cuda" or "cuda:i", already resolved.

    Raises:
        DetectorError: no weights, no such file, a name without permission to download it, a `.pt` file that
            cannot be loaded safely, no class "person".
        DeviceError: the network would not really run on `device`.
    """

    def __init__(self, config: DetectorConfig, device: str) -> None:
        if config.tiles != 1:
            raise DetectorError("detector.tiles: only the nanodet backend looks at tiles")
        path = _weights(config)
        self._config = config
        self._device = torch.device(device)
        self._single = False
        self._one_at_a_time = threading.Lock()
        self._side: int | list[int] = _DEFAULT_SIDE if config.image_size == "auto" else config.image_size
        if path.suffix == ".onnx":
            self._read_onnx(path)
        _check_device(path, device)
        ultralytics = import_ultralytics(online=config.allow_download)
        if path.suffix == ".pt" and not loads_safely():
            raise DetectorError(
                f"detector.weights: {path}: the installed ultralytics {ultralytics.__version__} cannot load .pt files "
                "safely; update it or give an .onnx export"
            )
        with contained():
            try:
                self._model: Any = ultralytics.YOLO(str(path), task="detect")
                self._classes: list[int] | None = None
                self._predict([np.zeros((64, 64, 3), np.uint8)])
                names = self._model.names
            except Exception as error:  # ultralytics raises whatever its parts raise
                raise DetectorError(f"detector.weights: {path}: ultralytics cannot run it: {_plain(error)}") from None
        self._classes = [number for number, name in names.items() if name == "person"]
        if not self._classes:
            raise DetectorError(f"detector.weights: {path}: the model knows no class 'person'")
        self.provider = _running_on(self._model.predictor.model, device, path)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Find the people of each frame; see `Detector.detect`."""
        sizes: dict[tuple[int, ...], list[int]] = {}
        for number, frame in enumerate(frames):
            sizes.setdefault(frame.image.shape, []).append(number)
        found = [Detections.empty()] * len(frames)
        step = 1 if self._single else _BATCH
        for members in sizes.values():
            for start in range(0, len(members), step):
                chunk = members[start : start + step]
                results = self._predict([np.ascontiguousarray(frames[n].image[:, :, ::-1]) for n in chunk])
                for number, result in zip(chunk, results, strict=True):
                    found[number] = _people(result.boxes, frames[number])
        return found

    def _predict(self, images: list[np.ndarray[Any, np.dtype[np.uint8]]]) -> list[Any]:
        """Run ultralytics on BGR pictures of one size; it keeps the state of a prediction in the model."""
        with self._one_at_a_time:
            results: list[Any] = self._model.predict(
                images,
                batch=len(images),
                classes=self._classes,
                conf=self._config.score_threshold,
                iou=self._config.iou_threshold,
                max_det=self._config.max_people,
                imgsz=self._side,
                device=self._device,
                verbose=False,
                save=False,
            )
        return results

    def _read_onnx(self, path: Path) -> None:
        """Take a fixed batch and a fixed input size from the file."""
        try:
            ports = read_model(path.read_bytes()).inputs
        except (OSError, OnnxFileError) as error:
            raise DetectorError(f"detector.weights: {path}: {error}") from None
        if len(ports) != 1 or len(ports[0].sizes) != 4:
            raise DetectorError(f"detector.weights: {path}: not a YOLO (one picture in)")
        batch, _, height, width = ports[0].sizes
        self._single = batch is not None
        if height is None or width is None:
            return
        if self._config.image_size not in ("auto", height, width):
            raise DetectorError(f"detector.image_size: {path} was exported for {height} x {width} pixels")
        self._side = [height, width]


def _weights(config: DetectorConfig) -> Path:
    """Find the model's file, or its name where it may be downloaded."""
    if not config.weights:
        raise DetectorError("detector.weights: the ultralytics backend needs a model file or name")
    path = Path(config.weights)
    if path.is_file():
        if path.suffix not in _SUFFIXES:
            raise DetectorError(f"detector.weights: {path}: {' or '.join(_SUFFIXES)} expected")
        return path
    if path.parent != Path() or path.suffix not in ("", ".pt"):
        raise DetectorError(f"detector.weights: no such file: {path}")
    return _by_name(path.with_suffix(".pt").name, config.allow_download)


def _by_name(name: str, allow_download: bool) -> Path:
    """Return the cached file of a published model; fetch it only where that is allowed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "relaytrack" / name
    if cache.is_file():
        return cache
    if not allow_download:
        raise DetectorError(
            f"detector.weights: no such file: {name}; --allow-download (detector.allow_download) lets ultralytics "
            "fetch the model of that name"
        )
    import_ultralytics(online=True)
    with contained():
        from ultralytics.utils.downloads import attempt_download_asset

        try:
            cache.parent.mkdir(parents=True, exist_ok=True)
            attempt_download_asset(str(cache))
        except Exception as error:  # network, disk, unknown name: each its own exception
            raise DetectorError(f"detector.weights: {name} cannot be downloaded: {_plain(error)}") from None
    if not cache.is_file():
        raise DetectorError(f"detector.weights: {name} cannot be downloaded: no model of that name")
    return cache


def _plain(error: Exception) -> str:
    """One line of a message that may have several, and pictures in it."""
    text = str(error).encode("ascii", "ignore").decode().removeprefix("ERROR")
    return " ".join(text.split())[:300]


def _check_device(path: Path, device: str) -> None:
    """Refuse what ultralytics would quietly run somewhere else."""
    if path.suffix == ".engine" and device == "cpu":
        raise DeviceError(f"run.device: {path} is a TensorRT engine and does not run on the CPU")
    if path.suffix == ".onnx" and device != "cpu":
        onnxruntime = import_onnxruntime()

        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise DeviceError(f"run.device: onnxruntime here cannot run {path} on {device!r} (extra: gpu)")


def _running_on(backend: Any, device: str, path: Path) -> str:
    """Say where the loaded model runs; raise if that is not `device`."""
    session = getattr(backend, "session", None) or getattr(getattr(backend, "backend", None), "session", None)
    if session is not None:
        provider = str(session.get_providers()[0])
        where = "cuda" if provider.startswith(("CUDA", "Tensorrt")) else "cpu"
    else:
        where = torch.device(backend.device).type
        provider = f"{'tensorrt' if path.suffix == '.engine' else 'torch'} {device}"
    if where != torch.device(device).type:
        raise DeviceError(f"run.device: ultralytics runs {path} on {where}, not on {device!r}")
    return f"ultralytics {provider}"


def _people(boxes: Any, frame: Frame) -> Detections:
    """Turn ultralytics' boxes into ours, best score first."""
    xyxy = boxes.xyxy.cpu().numpy().astype(np.float32)
    scores = boxes.conf.cpu().numpy().astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    height, width = frame.image.shape[:2]
    return inside_picture(Detections(xyxy[order], scores[order]), width, height)
