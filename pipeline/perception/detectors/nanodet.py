"""NanoDet, the embedded default detector: pre-processing, one network run, decoding of all boxes at once.

The head follows "Generalized Focal Loss" (Li et al., NeurIPS 2020): every cell of three grids (strides 8, 16 and
32) gives a score per class and, for each of the four sides, a distribution over the distances 0..R in strides;
its expectation is the side's distance from the cell's centre (their equation 4).
"""

from __future__ import annotations

import time
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np

from relaytrack.pipeline.config.schema import DetectorConfig
from relaytrack.pipeline.errors import DetectorError
from relaytrack.pipeline.perception.detectors.letterbox import Letterbox, Normaliser
from relaytrack.pipeline.perception.detectors.nanodet_network import STRIDES, NanoDetNetwork
from relaytrack.pipeline.perception.detectors.sizes import (
    MOST_CPU,
    MOST_GPU,
    OWN,
    SMALLEST,
    Sight,
    auto_side,
    most_in_time,
    pixels,
    scales,
)
from relaytrack.pipeline.perception.detectors.tiles import views_of
from relaytrack.pipeline.perception.detectors.views import ViewDetector
from relaytrack.pipeline.records import Detections, Floats, Image, Ints
from relaytrack.reid.installed import INT8, int8_form
from relaytrack.reid.precision import cpu_has_int8

WEIGHTS = "nanodet_g_416_fp16.onnx"
INT8_WEIGHTS = "nanodet_g_416_int8.onnx"
PERSON = 0
MEAN_BGR = (103.53, 116.28, 123.675)
STD_BGR = (57.375, 57.12, 58.395)
_NETWORK_BATCH = 8


class NanoDetInput:
    """NanoDet's pre-processing and decoding. See `relaytrack.pipeline.perception.detectors.views.InputNetwork`.

    Args:
        network: the weights, loaded on their device.
        config: threshold, side of the input and tiles.

    Attributes:
        most_side: longest side that `detector.image_size: auto` chooses.
        limit: longest side that is used at all, while there is too little time; None for no limit.
    """

    most = _NETWORK_BATCH

    def __init__(self, network: NanoDetNetwork, config: DetectorConfig) -> None:
        self.provider = network.provider
        self._network = network
        self._threshold = config.score_threshold
        self._side = config.image_size
        self._tiles = config.tiles
        self.limit: int | None = None
        self.largest = OWN  # longer side of the largest input so far
        self.most_side = MOST_CPU if network.provider.startswith("CPU") else MOST_GPU
        self._normaliser = Normaliser(MEAN_BGR, STD_BGR, bgr=True)

    def side(self, width: int, height: int) -> int:
        """Longer side of the largest input for a view of this size."""
        wanted = auto_side(width, height, self.most_side) if self._side == "auto" else self._side
        self.largest = max(self.largest, wanted)
        return wanted if self.limit is None else min(wanted, self.limit)

    def fit(self, width: int, height: int, whole: bool) -> list[Letterbox]:
        """The longer side fills the input, the shorter is padded to a multiple of the coarsest stride.

        The whole picture is looked at in several scales (see the module `sizes`); a tile in one scale only, because a
        person who fills a tile is found in the whole picture.
        """
        side = self.side(width, height)
        return [Letterbox.fit(width, height, one) for one in (scales(side) if whole else [side])]

    def sight(self, width: int, height: int) -> Sight:
        """Return how closely a picture of this size (pixels) is looked at."""
        inputs = [
            box for view in views_of(width, height, self._tiles) for box in self.fit(view.width, view.height, False)
        ]
        return Sight(self.side(width, height), min(round(SMALLEST / box.scale[1]) for box in inputs))

    def seconds_per_pixel(self) -> float:
        """Measure how long the network takes for an input pixel, on a small input after a first one."""
        blank = np.zeros((1, 3, 256, OWN), np.float32)
        self._network(blank)
        begin = time.perf_counter()
        self._network(blank)
        return (time.perf_counter() - begin) / (blank.shape[2] * blank.shape[3])

    def fill(self, out: Floats, image: Image, box: Letterbox) -> None:
        """Write the normalised BGR picture."""
        self._normaliser.fill(out, image, box)

    def people(self, batch: Floats) -> list[Detections]:
        """Run the network and decode what reaches the threshold, in input pixels, one record per row."""
        height, width = batch.shape[2:]
        levels = self._network(batch)
        rows, scores, logits, centres, strides = [], [], [], [], []
        for stride, (classes, sides) in zip(STRIDES, levels, strict=True):
            person = classes[:, :, PERSON]
            row, cell = (person >= self._threshold).nonzero()
            rows.append(row)
            scores.append(person[row, cell])
            logits.append(sides[row, cell])
            centres.append(cell_centres(height, width, stride)[cell])
            strides.append(np.full(len(row), stride))
        row, score = np.concatenate(rows), np.concatenate(scores)
        box = decode_sides(np.concatenate(logits), np.concatenate(centres), np.concatenate(strides))
        return [Detections(box[row == index], score[row == index]) for index in range(len(batch))]


class NanoDet(ViewDetector):
    """The detector. See `relaytrack.pipeline.perception.detectors.base.Detector`.

    Args:
        network: the weights, loaded on their device.
        config: thresholds, side of the input and tiles.
    """

    score_scale = 1.1
    """Puts scores on the tracker's scale: below 0.6 many boxes are signs and cones (precision on PETS09-S2L1: 0.59
    at 0.3, 0.82 at 0.4, 0.94 at 0.5), and no track should start there."""

    def __init__(self, network: NanoDetNetwork, config: DetectorConfig) -> None:
        self.input = NanoDetInput(network, config)
        self.precision = network.precision
        super().__init__(self.input, config)

    def sight(self, width: int, height: int) -> Sight:
        """Return how closely a picture of this size (pixels) is looked at."""
        return self.input.sight(width, height)

    def largest_side(self) -> int:
        """Longer side of the largest input in use, pixels."""
        return self.input.largest

    def limit_side(self, most: int | None) -> None:
        """Use no input of a longer side from now on; None takes the limit away."""
        self.input.limit = most

    def keep_up(self, cameras: int, rate: float) -> None:
        """Limit `detector.image_size: auto` to what live cameras leave time for."""
        cost = self.input.seconds_per_pixel()
        self.input.most_side = min(self.input.most_side, most_in_time(lambda side: cost * pixels(side), cameras, rate))


@lru_cache(maxsize=64)
def cell_centres(height: int, width: int, stride: int) -> Floats:
    """Centres (x, y) in input pixels of the cells of one grid, row by row: (cells, 2) float32."""
    ys, xs = np.mgrid[0 : height // stride, 0 : width // stride].astype(np.float32)
    centres = np.asarray((np.stack([xs.ravel(), ys.ravel()], 1) + 0.5) * stride, np.float32)
    centres.flags.writeable = False
    return centres


def decode_sides(sides: Floats, centres: Floats, strides: Ints) -> Floats:
    """Turn distributions over distances into boxes.

    Args:
        sides: (N, 4 * bins) logits; left, top, right, bottom.
        centres: (N, 2) cell centres, input pixels.
        strides: (N,) input pixels per unit of distance.

    Returns:
        (N, 4) float32 xyxy, input pixels.
    """
    logits = sides.reshape(len(sides), 4, sides.shape[1] // 4).astype(np.float64)
    weight = np.exp(logits - logits.max(axis=2, keepdims=True))
    distance = (weight * np.arange(weight.shape[2])).sum(axis=2) / weight.sum(axis=2) * strides[:, None]
    return np.concatenate([centres - distance[:, :2], centres + distance[:, 2:]], 1).astype(np.float32)


def bundled_weights(precision: Literal["fp32", "int8"] = "fp32") -> Path:
    """Path of the weights that come with the package, or of their form with 8-bit integers."""
    name = INT8_WEIGHTS if precision == "int8" else WEIGHTS
    return Path(str(files("relaytrack.pipeline.perception.detectors") / "weights" / name))


def weights_of(config: DetectorConfig, device: str) -> Path:
    """The file of weights that a configuration asks for on a device; it need not exist.

    Raises:
        DetectorError: 8-bit integers are asked for on a GPU, or from a file of other weights that has no 8-bit form.
    """
    if config.precision == "int8" and device != "cpu":
        raise DetectorError(f"detector.precision: int8 is for the CPU, and the detector runs on {device}")
    if config.weights is None:
        quick = config.precision == "int8" or (config.precision == "auto" and device == "cpu" and cpu_has_int8())
        return bundled_weights("int8" if quick else "fp32")
    path = Path(config.weights)
    form = int8_form(path) if config.precision == "int8" else path
    if form is None:
        raise DetectorError(f"detector.precision: there is no {path.stem}{INT8}.onnx beside {path}")
    return form


def create_nanodet(config: DetectorConfig, device: str, threads: int | None) -> NanoDet:
    """Load the weights on `device`.

    Args:
        config: the detector's section; `weights` may name another NanoDet ONNX file.
        device: "cpu", "cuda" or "cuda:i", already resolved.
        threads: CPU threads of the network; None leaves it to the runtime.

    Raises:
        DetectorError: the file is missing, is no ONNX model, one of another architecture, or not to be had in the
            precision that is asked for.
        DeviceError: the network would not really run on `device`.
    """
    path = weights_of(config, device)
    if not path.is_file():
        raise DetectorError(f"detector.weights: no such file: {path}")
    if device == "cpu":
        from relaytrack.pipeline.perception.detectors.nanodet_onnx import OnnxNetwork

        return NanoDet(OnnxNetwork(path, device, threads), config)
    from relaytrack.pipeline.perception.detectors.nanodet_onnx import cuda_network

    return NanoDet(cuda_network(path, device), config)
