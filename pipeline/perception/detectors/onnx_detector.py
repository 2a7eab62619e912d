"""An ONNX file exported from one of the permissive families (YOLOX, RF-DETR, RT-DETR, D-FINE) as a detector."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.pipeline.config.schema import DetectorConfig
from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import DetectorError
from relaytrack.pipeline.perception.detectors.letterbox import Letterbox, Normaliser
from relaytrack.pipeline.perception.detectors.onnx_file import OnnxFileError, Port, read_model
from relaytrack.pipeline.perception.detectors.onnx_forms import Form, recognise
from relaytrack.pipeline.perception.detectors.onnx_session import open_session
from relaytrack.pipeline.perception.detectors.views import ViewDetector
from relaytrack.pipeline.records import Detections, Floats, Image

_SIDE = 640
_BATCH = 8
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)


class OnnxInput:
    """The file in a session, with its pre-processing and decoding; an `InputNetwork` of the module `views`.

    Args:
        path: the ONNX file.
        config: the detector's section; what it says of the input goes before what the family usually wants.
        device: "cpu", "cuda" or "cuda:i", already resolved.
        threads: CPU threads; None leaves it to onnxruntime.

    Raises:
        DetectorError: the file is missing, no ONNX model, or gives none of the known forms; names it.
        DeviceError: the network would not run on `device`.
    """

    def __init__(self, path: Path, config: DetectorConfig, device: str, threads: int | None) -> None:
        try:
            model = read_model(path.read_bytes())
        except (OSError, OnnxFileError) as error:
            raise DetectorError(f"detector.weights: {path}: {error}") from None
        self._path = path
        self._threshold = config.score_threshold
        self._picture, self._target = _inputs(path, model.inputs)
        batch, _, height, width = self._picture.sizes
        self.most = _BATCH if batch is None else 1
        if batch not in (None, 1):
            raise DetectorError(f"detector.weights: {path}: exported for {batch} pictures at once; export it for 1")
        wanted = None if config.image_size == "auto" else config.image_size
        self._size = (width or wanted or _SIDE, height or wanted or _SIDE)
        if wanted is not None and wanted != max(self._size):
            raise DetectorError(f"detector.image_size: {path} was exported for {width} x {height} pixels")
        self._session, self.provider = open_session(path, device, threads)
        try:
            found = recognise(self._run(np.zeros((1, 3, self._size[1], self._size[0]), np.float32)), *self._size)
        except OnnxFileError as error:
            raise DetectorError(f"detector.weights: {path}: {error}") from None
        self.form = _as_configured(found, config)
        self._normaliser = _normaliser(self.form)

    def fit(self, width: int, height: int, whole: bool) -> list[Letterbox]:
        """All views go into the one input size."""
        return [Letterbox.into(width, height, self._size, self.form.placement)]

    def fill(self, out: Floats, image: Image, box: Letterbox) -> None:
        """Write the picture as the family wants it."""
        self._normaliser.fill(out, image, box)

    def people(self, batch: Floats) -> list[Detections]:
        """Run the network and decode what reaches the threshold."""
        return self.form.people(self._run(batch), *self._size, self._threshold)

    def _run(self, batch: Floats) -> list[Any]:
        feeds: dict[str, Any] = {self._picture.name: batch}
        if self._target is not None:
            feeds[self._target.name] = np.tile(np.array([self._size], np.int64), (len(batch), 1))
        try:
            found: list[Any] = self._session.run(None, feeds)
        except Exception as error:  # onnxruntime's own exceptions have no common base
            reason = one_line(error)[:300]
            raise DetectorError(f"detector.weights: {self._path}: onnxruntime cannot run it: {reason}") from None
        return found


def create_onnx(config: DetectorConfig, device: str, threads: int | None) -> ViewDetector:
    """Load the file that the configuration names; see `OnnxInput`."""
    if not config.weights:
        raise DetectorError("detector.weights: the onnx backend needs a file")
    path = Path(config.weights)
    if not path.is_file():
        raise DetectorError(f"detector.weights: no such file: {path}")
    return ViewDetector(OnnxInput(path, config, device, threads), config)


def _inputs(path: Path, ports: tuple[Port, ...]) -> tuple[Port, Port | None]:
    """The picture's input and, where there is one, that of the size that boxes are scaled to."""
    pictures = [port for port in ports if len(port.sizes) == 4 and port.sizes[1] == 3]
    others = [port for port in ports if port not in pictures]
    if len(pictures) != 1 or len(others) > 1 or any(len(port.sizes) != 2 for port in others):
        raise DetectorError(f"detector.weights: {path}: not a detector (one picture in, three channels first)")
    return pictures[0], others[0] if others else None


def _as_configured(form: Form, config: DetectorConfig) -> Form:
    """The family's usual input where the configuration does not say otherwise."""
    changes: dict[str, Any] = {
        "placement": config.letterbox,
        "normalise": config.normalise,
        "bgr": None if config.channels is None else config.channels == "bgr",
        "person": config.person_class,
    }
    return dataclasses.replace(form, **{key: value for key, value in changes.items() if value is not None})


def _normaliser(form: Form) -> Normaliser:
    if form.normalise == "imagenet":
        mean, std = (_MEAN[::-1], _STD[::-1]) if form.bgr else (_MEAN, _STD)
    else:
        mean, std = (0.0,) * 3, (1.0 if form.normalise == "raw" else 255.0,) * 3
    return Normaliser(mean, std, form.bgr, form.padding)
