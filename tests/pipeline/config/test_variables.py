"""`${NAME}` in addresses and paths: filled where one may stand, and refused by name where its value is no use."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.urls import expand_variables
from relaytrack.pipeline.errors import ConfigError


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration in another folder than the current one, whose camera is `${CAMERA_URL}`."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    path = tmp_path / "elsewhere" / "site.yaml"
    path.write_text("cameras: [{name: door, url: '${CAMERA_URL}'}]\n")
    return path


@pytest.mark.parametrize("value", ["rtsp://10.0.0.5/1", "webcam:0", "/data/a.mp4", "~/a.mp4", "RTSP://10.0.0.5/1"])
def test_a_variable_may_hold_a_whole_address(value: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: it was taken for a file in the configuration's folder."""
    monkeypatch.setenv("CAMERA_URL", value)
    assert load_config(site).cameras[0].url == "${CAMERA_URL}"


def test_a_relative_path_in_a_variable_starts_at_the_configuration(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.parent / "a.mp4").touch()
    monkeypatch.setenv("CAMERA_URL", "a.mp4")
    url = load_config(site).cameras[0].url
    assert Path(expand_variables(url, "door")) == site.parent / "a.mp4"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("rtsp://10.0.0.5/1\n", "has a line break or another control character"),
        ("rtsp://10.0.0.5/1\r", "has a line break or another control character"),
        ("rtsp://10.0.0.5/1 ", "begins or ends with a blank"),
        ("  ", "begins or ends with a blank"),
        ("", "is empty"),
    ],
)
def test_a_value_of_no_use_is_told_by_its_name(
    value: str, says: str, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault: `PASSWORD=$(cat secret; echo)` ended as "connection refused" or "no such file: ${CAMERA_URL}"."""
    monkeypatch.setenv("CAMERA_URL", value)
    assert main(["run", str(site), "--out", "o"]) == 2
    error = capsys.readouterr().err
    assert error == f"relaytrack: error: camera 'door': environment variable CAMERA_URL in its url {says}\n"


def test_an_empty_password_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "")
    assert expand_variables("rtsp://me:${CAMERA_PASSWORD}@10.0.0.5/1", "door") == "rtsp://me:@10.0.0.5/1"


def test_paths_take_variables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: `output.dir: ${RESULTS}/today` made a folder of that very name."""
    monkeypatch.setenv("RESULTS", "/data/results")
    data = {
        "cameras": [{"url": "a.mp4", "detections": "${RESULTS}/det.txt", "ground": "${RESULTS}/floor.yaml"}],
        "detector": {"weights": "${RESULTS}/d.onnx"},
        "embedder": {"weights": "${RESULTS}/e.onnx"},
        "output": {"dir": "${RESULTS}/today", "store": "${RESULTS}/store.db"},
        "server": {"dir": "${RESULTS}/site", "tls_cert": "${RESULTS}/c.pem", "tls_key": "${RESULTS}/k.pem"},
    }
    config = load_config(data=data)
    camera, server = config.cameras[0], config.server
    assert (camera.detections, camera.ground) == ("/data/results/det.txt", "/data/results/floor.yaml")
    assert (config.detector.weights, config.embedder.weights) == ("/data/results/d.onnx", "/data/results/e.onnx")
    assert (config.output.dir, config.output.store) == ("/data/results/today", "/data/results/store.db")
    assert (server.dir, server.tls_cert) == ("/data/results/site", "/data/results/c.pem")


def test_a_path_whose_variable_is_not_set_is_told() -> None:
    with pytest.raises(ConfigError, match=r"output\.dir: environment variable NOT_SET_ANYWHERE is not set"):
        load_config(data={"output": {"dir": "${NOT_SET_ANYWHERE}/today"}})


def test_an_empty_path_is_not_the_current_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: "output folder . is not empty"."""
    assert main(["run", "--source", "a.mp4", "--out", ""]) == 2
    assert capsys.readouterr().err == "relaytrack: error: configuration: output.dir: must not be empty (got '')\n"


def test_a_shared_place_keeps_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be passwords, and `run.json` shows the configuration."""
    monkeypatch.setenv("SHARE_PASSWORD", "hush")
    config = load_config(data={"cluster": {"share": "sftp://me:${SHARE_PASSWORD}@host/x"}})
    assert "hush" not in str(config.cluster.share)
