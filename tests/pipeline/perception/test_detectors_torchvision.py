"""The torchvision backend on a network of random weights made here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from relaytrack.pipeline.config.schema import DetectorConfig
from relaytrack.pipeline.errors import DetectorError
from relaytrack.pipeline.perception.detectors.torchvision_detector import TorchvisionDetector
from relaytrack.pipeline.records import Frame

NAME = "ssdlite320_mobilenet_v3_large"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("torchvision") / "ssdlite.pth"
    state = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).state_dict()
    for name, value in state.items():  # random weights hardly ever see a person
        if "classification_head" in name and name.endswith(".bias") and len(value) % 91 == 0:
            value.view(-1, 91)[:, 1] += 3
    torch.save(state, path)
    yield path
    path.unlink()


def test_it_finds_what_torchvision_finds(weights: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
    config = DetectorConfig(backend="torchvision", model=NAME, weights=str(weights), score_threshold=0.15)
    detector = TorchvisionDetector(config, "cpu")
    frames = [Frame("a", 1, 0.0, image), Frame("b", 1, 0.0, np.ascontiguousarray(image[:, ::-1]))]
    found = detector.detect(frames)
    module = ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, score_thresh=0.15, nms_thresh=0.6, detections_per_img=300
    )
    module.load_state_dict(torch.load(weights, weights_only=True))
    with torch.no_grad():
        theirs = module.eval()([torch.from_numpy(image).permute(2, 0, 1).float() / 255])[0]
    person = theirs["labels"] == 1
    assert person.any()
    np.testing.assert_allclose(found[0].scores, theirs["scores"][person].numpy(), rtol=1e-5)
    np.testing.assert_allclose(found[0].xyxy, theirs["boxes"][person].numpy(), atol=1e-3)
    np.testing.assert_array_equal(detector.detect(frames[1:])[0].xyxy, found[1].xyxy)
    assert detector.provider == "torchvision cpu"


def test_bad_names_and_files_are_one_line(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"no weights")
    for config, text in [
        (DetectorConfig(model="yolo"), "torchvision has no detector 'yolo'"),
        (DetectorConfig(model=NAME), "allow_download"),
        (DetectorConfig(model=NAME, weights=str(tmp_path / "none.pth")), "no such file"),
        (DetectorConfig(model=NAME, weights=str(broken)), "not a state dict"),
        (DetectorConfig(model="retinanet_resnet50_fpn", weights=str(weights)), "not the state dict of"),
    ]:
        with pytest.raises(DetectorError, match=text) as error:
            TorchvisionDetector(config, "cpu")
        assert "\n" not in str(error.value)


def test_a_download_that_fails_leaves_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def no_network(url: str, path: str, *_: object, **__: object) -> None:
        assert url.startswith("https://download.pytorch.org/models/ssdlite320")
        raise OSError("no network\nat all")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(DetectorError, match="cannot be downloaded: no network at all"):
        TorchvisionDetector(DetectorConfig(model=NAME, allow_download=True), "cpu")
