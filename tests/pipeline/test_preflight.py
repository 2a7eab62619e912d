"""What costs nothing to find wrong is found before the networks are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.pipeline.preflight import preflight


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"cameras": []}, "no cameras"),
        ({"cameras": ["gone.mp4"]}, "camera 'gone': no such file"),
        ({"cameras": ["CLIP", "README"]}, "camera 'README': no video that can be read"),
        ({"cameras": ["rtsp://${NOT_SET_ANYWHERE}@h.x/1"]}, "environment variable NOT_SET_ANYWHERE"),
        (
            {"cameras": ["CLIP"], "output": {"dir": "o", "store": "/nowhere/x.db"}},
            "output.store: no such folder: /nowhere",
        ),
        (
            {"cameras": ["CLIP"], "detector": {"options": {"a": 1}}},
            "detector.options are for parts of installed packages",
        ),
        ({"cameras": ["CLIP"], "embedder": {"options": {"a": 1}}}, "the settings of 'reid' are keys of embedder"),
        ({"cameras": ["CLIP"], "tracker": {"options": {"a": 1}}}, "the settings of 'deepsort' are keys of tracker"),
        ({"cameras": ["CLIP"], "output": {"dir": "o", "store": "README"}}, "output.store: not an SQLite file"),
        ({"cameras": ["CLIP"], "output": {"dir": "o", "store": "."}}, "output.store: a folder, not a file"),
        ({"cameras": ["rtsp://h.x:99999/1"]}, "camera 'cam1': not a valid address"),
        ({"cameras": ["rtsp://[::1/1"]}, "camera 'cam1': not a valid address"),
        ({"cameras": ["rtsp://user:word@/1"]}, "camera 'cam1': the address has no host"),
        ({"cameras": [{"url": "CLIP", "roi": [0, 0, 5000, 50]}]}, "reaches beyond the picture"),
        ({"cameras": ["CLIP"], "embedder": {"weights": "gone.onnx"}}, "embedder.weights: weights not found: gone.onnx"),
        ({"cameras": ["CLIP"], "detector": {"weights": "gone.onnx"}}, "detector.weights: no such file: gone.onnx"),
        ({"cameras": [{"url": "CLIP", "ground": "gone.yaml"}]}, "ground: gone.yaml: No such file or directory"),
        (
            {"cameras": [{"url": "CLIP", "detections": "gone.txt"}], "detector": {"backend": "file"}},
            "no such file of detections: gone.txt",
        ),
        ({"cameras": ["CLIP"], "detector": {"backend": "file"}}, "it names no detections file"),
        ({"cameras": [{"url": "CLIP", "ground": {"points": [[10**400] * 4] * 4}}]}, "ground plane: points"),
        (
            {"cameras": ["CLIP"], "identities": {"travel_times": [["west", "nowhere", 1, 2]]}},
            "there is no camera 'nowhere'",
        ),
        ({"cameras": ["CLIP"], "output": {"dir": "FULL"}}, "is not empty: .*--resume"),
    ],
)
def test_each_kind_of_mistake(settings: dict[str, object], says: str, samples: Path, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").touch()
    places = {"CLIP": samples / "west.mp4", "README": samples / "README.md", "FULL": tmp_path}

    def filled(value: object) -> object:
        if isinstance(value, dict):
            return {key: filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner) for inner in value]
        return str(places.get(value, value)) if isinstance(value, str) else value

    data = {"output": {"dir": str(tmp_path / "out")}, **settings} | filled(settings)  # type: ignore[operator]
    with pytest.raises(RelayTrackError, match=says):
        preflight(load_config(data=data))
    assert not (tmp_path / "out").exists()


def test_nothing_is_wrong_with_the_samples(samples: Path, tmp_path: Path) -> None:
    cameras = [str(samples / "west.mp4"), "rtsp://127.0.0.1:9/1"]
    preflight(load_config(data={"cameras": cameras, "output": {"dir": str(tmp_path / "out")}}))


@pytest.mark.parametrize("source", ["gone.mp4", "README.md", "rtsp://${NOT_SET_ANYWHERE}@h.x/1"])
def test_a_mistake_is_told_without_the_networks_libraries(source: str, samples: Path, tmp_path: Path) -> None:
    program = (
        "import sys, relaytrack.pipeline.cli.main as cli\n"
        "code = cli.main(sys.argv[1:])\n"
        "assert code == 2, code\n"
        "assert 'torch' not in sys.modules and 'onnxruntime' not in sys.modules\n"
    )
    words = ["run", "--source", source, "--out", str(tmp_path / "o")]
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=samples, capture_output=True, text=True, check=False, timeout=60
    )
    after = os.times()
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 1
    computed = after.children_user + after.children_system - before.children_user - before.children_system
    assert computed < 3.0  # seconds of computing, whatever else this computer does; 0.8 are usual
