"""The ultralytics backend, and that nothing else imports ultralytics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from relaytrack.pipeline.config.schema import Config, DetectorConfig
from relaytrack.pipeline.errors import DetectorError
from relaytrack.pipeline.perception.detectors import create_detector

ROOT = Path(__file__).resolve().parents[3]


def run_python(code: str, home: Path, *arguments: str) -> str:
    """Run code in a fresh interpreter with its own home; warnings are errors. Return its last line."""
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    environment |= {"XDG_CACHE_HOME": str(home / ".cache"), "PYTHONPATH": str(ROOT)}
    for name in ("YOLO_CONFIG_DIR", "YOLO_OFFLINE", "YOLO_AUTOINSTALL", "PYTEST_CURRENT_TEST"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_nothing_but_its_backend_imports_ultralytics(tmp_path: Path) -> None:
    code = """
import sys
import relaytrack.pipeline, relaytrack.reid, relaytrack.trackers, relaytrack.pipeline.perception.person_crops
from relaytrack.pipeline import Pipeline, load_config
from relaytrack.trackers import DeepSort
from relaytrack.reid import Embedder
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.perception.detectors import create_detector
create_detector(Config(), "cpu")
print(sorted(name for name in sys.modules if name.partition(".")[0] == "ultralytics"))
"""
    assert run_python(code, tmp_path) == "[]"


def test_an_absent_ultralytics_is_named_with_its_remedy(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["ultralytics"] = None
from relaytrack.pipeline.errors import DetectorError
from relaytrack.pipeline.perception.detectors.ultralytics_import import import_ultralytics
try:
    import_ultralytics()
except DetectorError as error:
    print(error)
"""
    assert "pip install 'relaytrack[ultralytics]'" in run_python(code, tmp_path)


PROLOGUE = """
import json, os, socket, sys
from pathlib import Path
import cv2, numpy as np, torch
from relaytrack.pipeline.config.schema import Config, DetectorConfig
from relaytrack.pipeline.perception.detectors import create_detector
from relaytrack.pipeline.errors import DetectorError
from relaytrack.pipeline.records import Frame

asked = []
def refuse(*arguments, **options):
    asked.append(arguments[0])
    raise OSError("no network in this test")
socket.getaddrinfo = refuse
socket.create_connection = refuse

def detector(weights, **options):
    return create_detector(Config(detector=DetectorConfig(backend="ultralytics", weights=weights, **options)), "cpu")

def noise(seed, height, width):
    small = np.random.default_rng(seed).integers(0, 256, (height // 12, width // 12, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)

def differences(detector, frames):
    together = detector.detect(frames)
    worst, count = 0.0, 0
    for found, alone in zip(together, (detector.detect([frame])[0] for frame in frames), strict=True):
        assert len(found) == len(alone)
        count += len(found)
        if len(found):
            worst = max(worst, float(abs(found.xyxy - alone.xyxy).max()), float(abs(found.scores - alone.scores).max()))
    return worst, count
"""


@pytest.mark.needs("shared")
def test_an_onnx_model_runs_and_leaves_no_trace(tmp_path: Path, shared: Path) -> None:
    settings = tmp_path / ".config" / "Ultralytics" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"settings_version": "0.0.1", "sync": true, "mine": "kept"}')
    before = settings.read_bytes(), settings.stat().st_mtime_ns
    code = (
        PROLOGUE
        + """
environment, threads, cv_threads, save = dict(os.environ), torch.get_num_threads(), cv2.getNumThreads(), torch.save
yolo = detector(sys.argv[1], score_threshold=0.001, max_people=50)
assert dict(os.environ) == environment
assert (torch.get_num_threads(), cv2.getNumThreads()) == (threads, cv_threads)
assert torch.save is save

import ultralytics.utils as utils
from ultralytics.utils import checks
from ultralytics.utils.events import events
assert utils.SETTINGS["sync"] is False and events.enabled is False
assert utils.AUTOINSTALL is False and checks.AUTOINSTALL is False

video = cv2.VideoCapture(sys.argv[2])
video.set(cv2.CAP_PROP_POS_FRAMES, 400)
street = np.ascontiguousarray(video.read()[1][:, :, ::-1])
video.release()
people = yolo.detect([Frame("a", 1, 0.0, street)])[0]
assert (np.diff(people.scores) <= 0).all() and (people.xyxy[:, 2] <= street.shape[1]).all()
frames = [Frame("a", 1, 0.0, street), Frame("b", 1, 0.0, street[:, :300]), Frame("c", 1, 0.0, street[::-1])]
worst, count = differences(yolo, frames)
sizes = [len(name) for name in os.listdir(".") if not name.startswith(".")]
print(json.dumps([yolo.provider, int((people.scores > 0.5).sum()), worst, count, asked, sizes]))
"""
    )
    model, video = shared / "models/yolov8n_int8_640.onnx", shared / "data/mot/PETS09-S2L1/video.avi"
    provider, sure, worst, count, asked, left = json.loads(run_python(code, tmp_path, str(model), str(video)))
    assert provider == "ultralytics CPUExecutionProvider"
    assert sure >= 3
    assert worst <= 1e-5
    assert count > 3
    assert asked == []
    assert left == []
    assert (settings.read_bytes(), settings.stat().st_mtime_ns) == before


def test_pt_files_load_safely_and_batches_do_not_mix(tmp_path: Path) -> None:
    code = (
        PROLOGUE
        + """
from relaytrack.pipeline.perception.detectors.ultralytics_import import import_ultralytics
ultralytics = import_ultralytics()
model = ultralytics.YOLO("yolov8n.yaml")
model.model.names = {0: "person"} | {number: str(number) for number in range(1, 80)}
head = model.model.model[-1]
for branch in head.cv3:
    torch.nn.init.constant_(branch[-1].bias, 0.0)  # untrained, but sees something everywhere
model.save("random.pt")
yolo = detector("random.pt", score_threshold=0.01, max_people=20, image_size=160)
frames = [Frame(name, 1, 0.0, noise(seed, *size))
          for seed, (name, size) in enumerate({"a": (120, 160), "b": (120, 160), "c": (200, 90)}.items())]
worst, count = differences(yolo, frames)

class Payload:
    def __reduce__(self):
        return Path.touch, (Path("harm"),)
torch.save({"model": Payload()}, "evil.pt")
try:
    detector("evil.pt")
    refused = ""
except DetectorError as error:
    refused = str(error)
print(json.dumps([worst, count, refused, Path("harm").exists(), yolo.provider, asked]))
"""
    )
    worst, count, refused, harmed, provider, asked = json.loads(run_python(code, tmp_path))
    assert worst <= 1e-5
    assert count > 3
    assert "evil.pt" in refused
    assert "\n" not in refused
    assert not harmed
    assert provider == "ultralytics torch cpu"
    assert asked == []


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (None, "needs a model file or name"),
        ("yolov8n.pt", "allow-download"),
        ("yolo11n", "allow-download"),
        ("folder/yolov8n.pt", "no such file"),
        ("gone.onnx", "no such file"),
        ("https://example.org/yolov8n.pt", "no such file"),
    ],
)
def test_names_are_not_fetched_behind_the_users_back(
    weights: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DetectorError, match=message) as error:
        create_detector(Config(detector=DetectorConfig(backend="ultralytics", weights=weights)), "cpu")
    assert "\n" not in str(error.value)


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.torchscript"
    path.touch()
    with pytest.raises(DetectorError, match=r"\.onnx"):
        create_detector(Config(detector=DetectorConfig(backend="ultralytics", weights=str(path))), "cpu")
    path = tmp_path / "model.onnx"
    path.write_text("no model")
    with pytest.raises(DetectorError, match="not an ONNX model"):
        create_detector(Config(detector=DetectorConfig(backend="ultralytics", weights=str(path))), "cpu")


def test_a_network_that_would_run_elsewhere_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    from relaytrack.pipeline.errors import DeviceError
    from relaytrack.pipeline.perception.detectors.yolo import _check_device

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match="cuda:0"):
        _check_device(tmp_path / "model.onnx", "cuda:0")
    with pytest.raises(DeviceError, match="TensorRT"):
        _check_device(tmp_path / "model.engine", "cpu")
