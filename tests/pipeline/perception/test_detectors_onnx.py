"""The onnx backend on small networks made here, whose cells are as sure of a person as their patch is red."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from relaytrack.pipeline.config.schema import Config, DetectorConfig
from relaytrack.pipeline.errors import DetectorError
from relaytrack.pipeline.perception.detectors import create_detector
from relaytrack.pipeline.perception.detectors.onnx_detector import OnnxInput, create_onnx
from relaytrack.pipeline.records import Frame, Image

SIDE, STRIDE, CELLS = 64, 8, 8
COARSE = 20  # cells of the strides 16 and 32


def places() -> NDArray[np.float32]:
    """(64, 4) a box of 16 x 32 pixels around each patch's centre: cx, cy, w, h."""
    rows, columns = np.mgrid[0:CELLS, 0:CELLS].astype(np.float32)
    centre = (np.stack([columns.ravel(), rows.ravel()], 1) + 0.5) * STRIDE
    return np.hstack([centre, np.tile(np.array([[16, 32]], np.float32), (64, 1))])


def network(path: Path, form: str, *, bgr: bool, white: float = 1.0, classes: int = 80, batch: Any = "b") -> Path:
    """Write a network of the form; `white` is what a white pixel is in its input."""
    constants: dict[str, NDArray[Any]] = {}
    red = np.zeros((1, 3, STRIDE, STRIDE), np.float32)
    red[0, 2 if bgr else 0] = 1 / white / STRIDE**2
    constants["red"], constants["flat"] = red, np.array([0, 64, 1], np.int64)
    nodes = [
        helper.make_node("Conv", ["images", "red"], ["patches"], strides=[STRIDE, STRIDE]),
        helper.make_node("Reshape", ["patches", "flat"], ["sure"]),
    ]
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])]

    def constant(name: str, value: NDArray[Any]) -> str:
        """The same for every input of the batch: added to zeros of its size."""
        constants[name + "_of_one"] = value
        nodes.extend(
            [
                helper.make_node("Mul", ["sure", "nothing"], [name + "_zero"]),
                helper.make_node("ReduceSum", [name + "_zero", "axis"], [name + "_sum"], keepdims=1),
                helper.make_node("Add", [name + "_sum", name + "_of_one"], [name]),
            ]
        )
        return name

    constants["nothing"], constants["axis"] = np.zeros(1, np.float32), np.array([1], np.int64)
    if form.startswith("yolox"):
        boxes = np.zeros((1, 64 + COARSE, 4), np.float32)
        boxes[0, :64] = places()
        if form == "yolox":
            boxes[0, :, :2] = 0.5
            boxes[0, :, 2:] = np.log([2, 4])
        ones = np.zeros((1, 64 + COARSE, classes), np.float32)
        ones[:, :, 0] = 1
        far, where, what = (
            constant("far", np.zeros((1, COARSE, 1), np.float32)),
            constant("where", boxes),
            constant("what", ones),
        )
        nodes.append(helper.make_node("Concat", ["sure", far], ["objects"], axis=1))
        nodes.append(helper.make_node("Concat", [where, "objects", what], ["output"], axis=2))
        outputs = [("output", TensorProto.FLOAT)]
    elif form == "detr":
        constants["ten"], constants["five"] = np.array(10, np.float32), np.array(5, np.float32)
        where = constant("dets", places()[None] / SIDE)
        low = np.full((1, 64, classes), -20, np.float32)
        low[:, :, 1 if classes == 91 else 0] = 0
        low = low.clip(-20, 0)
        rest = constant("rest", low)
        nodes.append(helper.make_node("Mul", ["sure", "ten"], ["ten_times"]))
        nodes.append(helper.make_node("Sub", ["ten_times", "five"], ["logit"]))
        nodes.append(helper.make_node("Add", ["logit", rest], ["labels"]))
        outputs = [(where, TensorProto.FLOAT), ("labels", TensorProto.FLOAT)]
    else:
        inputs.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [batch, 2]))
        half = np.array([[-0.5, -0.5, 0.5, 0.5]], np.float32)
        boxes = (places()[:, [0, 1, 0, 1]] + half * places()[:, [2, 3, 2, 3]]) / SIDE
        constants["twice"], constants["row"] = np.array([1, 2], np.int64), np.array([0, 1, 4], np.int64)
        constants["plain"] = np.array([0, 64], np.int64)
        where = constant("shares", boxes[None].astype(np.float32))
        kinds = constant("kinds", np.zeros((1, 64, 1), np.float32))
        nodes += [
            helper.make_node("Cast", ["orig_target_sizes"], ["sizes"], to=TensorProto.FLOAT),
            helper.make_node("Tile", ["sizes", "twice"], ["four"]),
            helper.make_node("Reshape", ["four", "row"], ["rows"]),
            helper.make_node("Mul", [where, "rows"], ["boxes"]),
            helper.make_node("Reshape", ["sure", "plain"], ["scores"]),
            helper.make_node("Reshape", [kinds, "plain"], ["numbers"]),
            helper.make_node("Cast", ["numbers"], ["labels"], to=TensorProto.INT64),
        ]
        outputs = [("labels", TensorProto.INT64), ("boxes", TensorProto.FLOAT), ("scores", TensorProto.FLOAT)]
    rank = {"scores": 2, "labels": 3 if form == "detr" else 2}
    graph = helper.make_graph(
        nodes,
        form,
        inputs,
        [helper.make_tensor_value_info(name, kind, [None] * rank.get(name, 3)) for name, kind in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def picture(width: int, height: int, x: int, y: int, side: int = 16) -> Image:
    """Black with a red square whose top left corner is at (x, y)."""
    image = np.zeros((height, width, 3), np.uint8)
    image[y : y + side, x : x + side, 0] = 255
    return image


FORMS = [
    ("yolox", {"bgr": True, "white": 255.0}, "yolox"),
    ("yolox-decoded", {"bgr": True, "white": 255.0}, "yolox"),
    ("detr", {"bgr": False}, "detr"),
    ("labels", {"bgr": False}, "detr-decoded"),
]


@pytest.mark.parametrize(("form", "options", "family"), FORMS)
def test_each_family_is_told_by_its_outputs_and_finds_the_place(
    tmp_path: Path, form: str, options: dict[str, Any], family: str
) -> None:
    path = network(tmp_path / "network.onnx", form, **options)
    detector = create_onnx(DetectorConfig(backend="onnx", weights=str(path), score_threshold=0.5), "cpu", 1)
    assert isinstance(detector._input, OnnxInput)
    assert detector._input.form.family == family
    assert detector._input.form.decoded == (form == "yolox-decoded")
    frames = [Frame("a", 1, 0.0, picture(128, 128, 64, 32)), Frame("b", 1, 0.0, picture(128, 128, 32, 64))]
    both = detector.detect(frames)
    for found, (cx, cy) in zip(both, [(72, 40), (40, 72)], strict=True):  # twice as large as in the network
        np.testing.assert_allclose(found.xyxy, [[cx - 16, cy - 32, cx + 16, cy + 32]], atol=1e-3)
        np.testing.assert_allclose(found.scores, [1.0], atol=0.01)
    alone = detector.detect(frames[1:])[0]
    np.testing.assert_array_equal(alone.xyxy, both[1].xyxy)


def test_rf_detr_counts_classes_as_coco_does(tmp_path: Path) -> None:
    path = network(tmp_path / "network.onnx", "detr", bgr=False, classes=91, batch=1)
    detector = create_onnx(DetectorConfig(weights=str(path), normalise="unit", score_threshold=0.5), "cpu", 1)
    assert isinstance(detector._input, OnnxInput)
    assert (detector._input.form.person, detector._input.most) == (1, 1)
    frames = [Frame("a", 1, 0.0, picture(128, 128, 64, 32))] * 2
    assert [len(found) for found in detector.detect(frames)] == [1, 1]
    other = DetectorConfig(weights=str(path), normalise="unit", score_threshold=0.5, person_class=0)
    assert len(create_onnx(other, "cpu", 1).detect(frames)[0]) == 0
    assert OnnxInput(path, DetectorConfig(), "cpu", 1).form.normalise == "imagenet"


@pytest.mark.parametrize(
    ("letterbox", "box"),
    [
        ("stretch", [24, 16, 56, 48]),  # 40 +- 16 of 128, 32 +- 16 of 64
        ("corner", [24, 0, 56, 64]),
        ("centre", [24, 0, 56, 64]),
    ],
)
def test_boxes_come_back_from_each_placement(tmp_path: Path, letterbox: Any, box: list[float]) -> None:
    path = network(tmp_path / "network.onnx", "labels", bgr=False)
    config = DetectorConfig(weights=str(path), letterbox=letterbox, score_threshold=0.45)
    found = create_onnx(config, "cpu", 1).detect([Frame("a", 1, 0.0, picture(128, 64, 32, 24))])[0]
    assert len(found) >= 1
    np.testing.assert_allclose(found.xyxy[0], box, atol=8)


def test_the_configuration_goes_before_the_family(tmp_path: Path) -> None:
    path = network(tmp_path / "network.onnx", "yolox", bgr=False, white=1.0)
    frames = [Frame("a", 1, 0.0, picture(64, 64, 8, 8, 8))]
    config = Config.model_validate(
        {"detector": {"backend": "onnx", "weights": str(path), "channels": "rgb", "normalise": "unit"}}
    )
    np.testing.assert_allclose(create_detector(config, "cpu").detect(frames)[0].scores, [1.0], atol=0.01)
    family = config.detector.model_copy(update={"channels": None, "normalise": None})
    assert len(create_onnx(family, "cpu", 1).detect(frames)[0]) == 0  # looks at blue


def test_bad_files_are_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    odd = tmp_path / "odd.onnx"
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 64, 64]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Sigmoid", ["x"], ["y"])], "other", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    odd.write_bytes(model.SerializeToString())
    fixed = network(tmp_path / "fixed.onnx", "yolox", bgr=True)
    for weights, size, text in [
        (None, None, "needs a file"),
        (tmp_path / "none.onnx", None, "no such file"),
        (broken, None, "not an ONNX model"),
        (odd, None, "none of the known forms"),
        (fixed, 640, "exported for 64 x 64"),
    ]:
        with pytest.raises(DetectorError, match=text) as error:
            create_onnx(DetectorConfig(weights=weights and str(weights), image_size=size), "cpu", 1)
        assert "\n" not in str(error.value)
