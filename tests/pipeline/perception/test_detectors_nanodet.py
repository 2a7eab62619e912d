"""NanoDet: decoding, the shipped weights, batches, and the PyTorch module with the same weights."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relaytrack.pipeline.perception.detectors.nanodet_onnx as nanodet_onnx
from relaytrack.pipeline.config.schema import Config, DetectorConfig
from relaytrack.pipeline.errors import DetectorError, DeviceError
from relaytrack.pipeline.perception.detectors import create_detector
from relaytrack.pipeline.perception.detectors.nanodet import (
    NanoDet,
    bundled_weights,
    cell_centres,
    create_nanodet,
    decode_sides,
)
from relaytrack.pipeline.perception.detectors.nanodet_onnx import OnnxNetwork
from relaytrack.pipeline.perception.detectors.nanodet_torch import TorchNetwork
from relaytrack.pipeline.perception.detectors.sizes import OWN, pixels, scales
from relaytrack.pipeline.records import Detections, Floats, Frame, Image
from relaytrack.trackers.boxes import iou


def frame(image: Image, camera: str = "a", index: int = 1) -> Frame:
    return Frame(camera, index, 0.0, image)


def noise(seed: int, height: int, width: int) -> Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 12, width // 12, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


class OnePerson:
    """A network that sees one person in every input, at a given cell of the coarsest grid."""

    provider = "test"
    precision = "fp32"

    def __init__(self, row: int, column: int, strides_away: int) -> None:
        self.cell = row, column
        self.away = strides_away

    def __call__(self, images: Floats) -> list[tuple[Floats, Floats]]:
        batch, _, height, width = images.shape
        levels = []
        for stride in (8, 16, 32):
            cells = (height // stride) * (width // stride)
            scores = np.zeros((batch, cells, 80), np.float32)
            sides = np.zeros((batch, cells, 44), np.float32)
            if stride == 32:
                cell = self.cell[0] * (width // stride) + self.cell[1]
                scores[:, cell, 0] = 0.75
                scores[:, cell, 1] = 0.95
                sides.reshape(batch, cells, 4, 11)[:, cell, :, self.away] = 100
            levels.append((scores, sides))
        return levels


def test_sides_are_the_expectation_of_the_distribution() -> None:
    sides = np.full((1, 4, 11), -50, np.float32)
    sides[0, 0, 3] = sides[0, 1, 0] = sides[0, 2, 10] = 5
    sides[0, 3, 2] = sides[0, 3, 5] = 7  # two equally likely distances: their mean
    box = decode_sides(sides.reshape(1, 44), np.array([[100, 60]], np.float32), np.array([16]))
    np.testing.assert_allclose(box, [[100 - 3 * 16, 60, 100 + 160, 60 + 3.5 * 16]], rtol=1e-6)


def test_cells_are_counted_row_by_row() -> None:
    centres = cell_centres(64, 96, 32)
    np.testing.assert_array_equal(centres, [[16, 16], [48, 16], [80, 16], [16, 48], [48, 48], [80, 48]])


def test_boxes_come_out_in_pixels_of_each_picture() -> None:
    detector = NanoDet(OnePerson(row=4, column=3, strides_away=2), DetectorConfig(image_size=416))
    images = [np.zeros((416, 416, 3), np.uint8), np.zeros((832, 416, 3), np.uint8), np.zeros((416, 832, 3), np.uint8)]
    found = detector.detect([frame(image) for image in images])
    box = np.array([[48, 80, 176, 208]], np.float32)  # (3.5, 4.5) * 32 -+ 64
    np.testing.assert_allclose(found[0].xyxy, box, rtol=1e-6)
    np.testing.assert_allclose(found[1].xyxy, box * 2, rtol=1e-6)
    np.testing.assert_allclose(found[2].xyxy, box * 2, rtol=1e-6)
    assert [each.scores.tolist() for each in found] == [[0.75]] * 3


def test_only_people_above_the_threshold_count() -> None:
    detector = NanoDet(OnePerson(4, 3, 2), DetectorConfig(score_threshold=0.8))
    assert len(detector.detect([frame(np.zeros((416, 416, 3), np.uint8))])[0]) == 0


def test_a_view_of_every_tile_goes_through_the_network() -> None:
    detector = NanoDet(OnePerson(4, 3, 1), DetectorConfig(tiles=2, max_people=50))
    found = detector.detect([frame(np.zeros((800, 800, 3), np.uint8))])[0]
    assert len(found) == 5  # the whole picture's and one of each tile, none overlapping


class OnlyIn(OnePerson):
    """Sees the person only in inputs of some widths."""

    def __init__(self, *widths: int) -> None:
        super().__init__(4, 3, 2)
        self.widths = widths
        self.seen: list[int] = []

    def __call__(self, images: Floats) -> list[tuple[Floats, Floats]]:
        self.seen.append(images.shape[3])
        levels = super().__call__(images)
        if images.shape[3] not in self.widths:
            for scores, _ in levels:
                scores[:] = 0
        return levels


def test_more_pixels_lose_nobody_whom_fewer_find() -> None:
    image = np.zeros((896, 896, 3), np.uint8)
    network = OnlyIn(416)
    found = NanoDet(network, DetectorConfig(image_size=896)).detect([frame(image)])[0]
    np.testing.assert_allclose(found.xyxy, np.array([[48, 80, 176, 208]]) * 896 / 416, rtol=1e-5)
    assert sorted(network.seen) == [416, 896]
    assert len(NanoDet(OnlyIn(416), DetectorConfig(image_size=1792, tiles=2)).detect([frame(image)])[0]) == 1


def test_somebody_found_at_two_scales_is_one_person() -> None:
    class Twice(OnePerson):
        def __call__(self, images: Floats) -> list[tuple[Floats, Floats]]:
            """The same place in the picture at both scales: 224 pixels of 896, the middle cell of 416's seventh row."""
            side = images.shape[3]
            cells = (side // 32) // 2
            self.cell = cells, cells
            self.away = 2 if side == 416 else 4
            return super().__call__(images)

    detector = NanoDet(Twice(0, 0, 0), DetectorConfig(image_size=896))
    assert len(detector.detect([frame(np.zeros((896, 896, 3), np.uint8))])[0]) == 1


@pytest.mark.parametrize(
    ("size", "side", "smallest"),
    [((640, 480), 416, 49), ((1280, 720), 640, 64), ((1920, 1080), 896, 68), ((1080, 1920), 896, 69)],
)
def test_auto_chooses_by_resolution_and_says_what_is_found(size: tuple[int, int], side: int, smallest: int) -> None:
    network = OnePerson(4, 3, 2)
    sight = NanoDet(network, DetectorConfig()).sight(*size)
    assert (sight.side, sight.smallest) == (side, pytest.approx(smallest, abs=1))
    fixed = NanoDet(network, DetectorConfig(image_size=416)).sight(1920, 1080)
    assert (fixed.side, fixed.smallest) == (416, 148)
    assert NanoDet(network, DetectorConfig(image_size=416, tiles=2)).sight(1920, 1080).smallest == 85


def test_live_cameras_get_what_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = NanoDet(OnePerson(4, 3, 2), DetectorConfig())
    monkeypatch.setattr(detector.input, "seconds_per_pixel", lambda: 0.020 / pixels(416))
    detector.keep_up(1, 10.0)  # 50 ms: 640 costs 48 ms together with 416
    assert detector.sight(3840, 2160).side == 416
    detector = NanoDet(OnePerson(4, 3, 2), DetectorConfig())
    monkeypatch.setattr(detector.input, "seconds_per_pixel", lambda: 0.010 / pixels(416))
    detector.keep_up(1, 10.0)
    assert detector.sight(3840, 2160).side == 640
    assert detector.sight(640, 480).side == 416
    assert NanoDet(OnePerson(4, 3, 2), DetectorConfig()).input.seconds_per_pixel() > 0


@given(st.integers(32, 4096))
def test_scales_go_down_to_the_networks_own_in_small_steps(side: int) -> None:
    sides = scales(side)
    assert sides[-1] == side
    assert sides[0] == min(side, OWN)
    assert all(small < large <= 2.4 * small for small, large in itertools.pairwise(sides))


def test_the_shipped_weights_are_the_ones_of_the_provenance_note() -> None:
    path = bundled_weights()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == "03b08622930611e1e0eb3e3a971b5e636f5654abdefdbbaa33e055b27a571664"
    assert digest in (path.parent / "PROVENANCE.md").read_text()
    assert "Apache License" in (path.parent / "LICENSE.nanodet.txt").read_text()
    smaller = path.with_name("nanodet_g_416_int8.onnx")
    assert hashlib.sha256(smaller.read_bytes()).hexdigest() in (path.parent / "PROVENANCE.md").read_text()
    assert sorted(path.parent.glob("*.onnx")) == [path, smaller]


@pytest.fixture(scope="module")
def detector() -> NanoDet:
    return create_nanodet(DetectorConfig(score_threshold=0.02, max_people=1000), "cpu", 1)


def test_what_is_found_does_not_depend_on_who_shares_the_batch(detector: NanoDet) -> None:
    images = [noise(seed, *size) for seed, size in enumerate([(576, 352), (576, 352), (200, 420), (576, 352)])]
    frames = [frame(image, f"cam{number}") for number, image in enumerate(images)]
    together = detector.detect(frames)
    assert min(len(each) for each in together) > 3
    for each, alone in zip(together, (detector.detect([one])[0] for one in frames), strict=True):
        np.testing.assert_array_equal(each.xyxy, alone.xyxy)
        np.testing.assert_array_equal(each.scores, alone.scores)
    backwards = detector.detect(frames[::-1])[::-1]
    assert all(np.array_equal(a.xyxy, b.xyxy) for a, b in zip(together, backwards, strict=True))


def test_threads_change_nothing(detector: NanoDet) -> None:
    image = noise(9, 300, 500)
    one = detector.detect([frame(image)])[0]
    two = create_nanodet(DetectorConfig(score_threshold=0.02, max_people=1000), "cpu", 2).detect([frame(image)])[0]
    np.testing.assert_array_equal(one.xyxy, two.xyxy)
    np.testing.assert_array_equal(one.scores, two.scores)


def test_boxes_lie_in_the_picture_best_first(detector: NanoDet) -> None:
    assert detector.provider == "CPUExecutionProvider"
    found = detector.detect([frame(noise(3, 150, 310))])[0]
    assert found.xyxy.dtype == found.scores.dtype == np.float32
    assert (np.diff(found.scores) <= 0).all()
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= [310, 150, 310, 150]).all()
    assert detector.detect([]) == []


@pytest.mark.parametrize("shape", [(2, 3, 416, 416), (1, 3, 256, 416)])
def test_pytorch_with_the_same_weights_gives_the_same(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    onnx, torch = OnnxNetwork(bundled_weights(), "cpu", 1), TorchNetwork(bundled_weights(), "cpu")
    for ours, theirs in zip(torch(images), onnx(images), strict=True):
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-3)
        np.testing.assert_allclose(ours[1], theirs[1], atol=1e-3)
    assert torch.provider == "torch cpu"


@pytest.mark.parametrize("content", [None, b"", b"no model", "cut", "other"])
def test_wrong_weights_are_one_line(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "weights.onnx"
    if content == "cut":
        path.write_bytes(bundled_weights().read_bytes()[:100_000])
    elif content == "other":
        path.write_bytes(another_architecture())
    elif isinstance(content, bytes):
        path.write_bytes(content)
    for network in (
        lambda: create_nanodet(DetectorConfig(weights=str(path)), "cpu", 1),
        lambda: TorchNetwork(path, "cpu"),
    ):
        with pytest.raises(DetectorError if path.exists() else (DetectorError, OSError)) as error:
            network()
        assert "\n" not in str(error.value)
        assert str(path) in str(error.value)


def another_architecture() -> bytes:
    from onnx import TensorProto, helper

    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Sigmoid", ["x"], ["y"])], "other", ports[:1], ports[1:])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)]).SerializeToString())


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match="cuda:99"):
        create_nanodet(DetectorConfig(), "cuda:99", None)


def test_a_session_that_falls_back_to_the_cpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real = onnxruntime.InferenceSession

    def on_the_cpu_instead(model: bytes, options: object, providers: list[object], **_: object) -> object:
        assert providers[0][0] == "CUDAExecutionProvider"  # type: ignore[index]
        return real(model, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", on_the_cpu_instead)
    with pytest.raises(DeviceError, match="does not run"):
        nanodet_onnx.cuda_network(bundled_weights(), "cuda:0")


def average_precision(found: list[Detections], truth: list[Floats], overlap: float = 0.5) -> float:
    """Area under the interpolated precision-recall curve, detections of all frames ranked together."""
    scores, hits = [], []
    for detections, people in zip(found, truth, strict=True):
        free = np.ones(len(people), bool)
        for score, row in zip(detections.scores, iou(detections.xyxy, people), strict=True):
            best = int(np.where(free, row, -1).argmax())
            hit = bool(free[best] and row[best] >= overlap)
            free[best] &= not hit
            scores.append(score)
            hits.append(hit)
    right = np.cumsum(np.array(hits)[np.argsort(-np.array(scores), kind="stable")])
    recall, precision = right / sum(map(len, truth)), right / np.arange(1, len(right) + 1)
    best_after = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0) * best_after))


@pytest.mark.needs("shared")
def test_precision_on_real_footage(shared: Path) -> None:
    folder = shared / "data/mot/PETS09-S2L1"
    rows = np.loadtxt(folder / "gt/gt.txt", delimiter=",")
    detector = create_detector(Config(detector=DetectorConfig(score_threshold=0.05)), "cpu")
    video = cv2.VideoCapture(str(folder / "video.avi"))
    found, truth = [], []
    for index in range(1, 796):
        assert video.grab()
        if index % 20 == 1:
            image = np.ascontiguousarray(video.retrieve()[1][:, :, ::-1])
            found += detector.detect([frame(image, index=index)])
            boxes = rows[rows[:, 0] == index, 2:6].astype(np.float32)
            truth.append(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1))
    video.release()
    assert average_precision(found, truth) > 0.90
