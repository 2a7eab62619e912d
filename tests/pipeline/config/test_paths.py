"""Every path of a configuration and every option: `~`, `file://`, byte order marks, schemes in capitals."""

from __future__ import annotations

from pathlib import Path

import pytest

import relaytrack.pipeline
import relaytrack.reid
from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and another one to work in."""
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def test_every_path_of_a_configuration(home: Path) -> None:
    (home / "c.yaml").write_text(
        "cameras:\n"
        "- {url: ~/a.mp4, detections: ~/det.txt, ground: ~/floor.yaml}\n"
        "- file:///a/sp%20ace/c.mp4\n"
        "- ~x.mp4\n"
        "detector: {weights: ~/d.onnx}\n"
        "embedder: {weights: file:///e.onnx}\n"
        "output: {dir: ~/res, store: ~/store.db}\n"
    )
    config = load_config("~/c.yaml")
    first = config.cameras[0]
    assert (first.url, first.detections, first.ground) == (f"{home}/a.mp4", f"{home}/det.txt", f"{home}/floor.yaml")
    assert [camera.name for camera in config.cameras] == ["a", "c", "x"]
    assert config.cameras[1].url == "/a/sp ace/c.mp4"
    assert (config.detector.weights, config.embedder.weights) == (f"{home}/d.onnx", "/e.onnx")
    assert (config.output.dir, config.output.store) == (f"{home}/res", f"{home}/store.db")


@pytest.mark.parametrize(
    "words",
    [
        ["run", "~/c.yaml"],
        ["run", "--source", "x=~/c.mp4", "--out", "~/o"],
        ["run", "--source", "file:///a%20b/~/c.mp4"],
        ["run", "--source", "~x.mp4"],
        ["track", "--video", "~/c.mp4", "--out", "~/o.txt"],
        ["track", "--frames", "~/c", "--out", "~/o.txt"],
        ["track", "--cache", "~/c.npz", "--out", "~/o.txt"],
        ["cache", "--video", "~/c.mp4", "--out", "~/o.npz"],
        ["serve", "~/c.yaml"],
        ["serve", "--tls-cert", "~/c.pem", "--tls-key", "~/c.key"],
        ["search", "--run", "~/c", "--image", "~/c.jpg"],
        ["merge", "--run", "~/c", "1", "2"],
        ["forget", "--run", "file://~/c", "1"],
        ["eval", "--gt", "a=~/c", "--result", "a=~/c"],
        ["eval", "--gt", "~/c", "--result", "~/c"],
        ["calibrate", "--image", "~/c.jpg"],
        ["reid", "eval", "--dataset", "folder", "--root", "~/c"],
        ["reid", "embed", "~/c"],
        ["reid", "rank", "~/c", "~/c"],
        ["reid", "train", "~/c.yaml"],
        ["bench", "tracker", "--caches", "a=~/c", "--gt", "~/c"],
    ],
)
def test_every_option(words: list[str], home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    shown = capfd.readouterr().err
    if "~x.mp4" in words:
        assert "~x.mp4" in shown
    else:
        assert str(home) in shown or "/a b/~/c.mp4" in shown
    assert not Path("~").exists()


def test_no_option_takes_a_path_as_it_stands() -> None:
    """Fault: `bench cluster --video ~/a.mp4` was looked for in a folder named `~`."""
    places = [Path(package.__file__ or "").parent for package in (relaytrack.pipeline, relaytrack.reid)]
    files = [file for place in places for file in place.rglob("*.py")]
    assert len(files) > 300
    assert [file.name for file in files if "type=Path" in file.read_text(encoding="utf-8")] == []


def test_a_unit_has_the_paths_of_who_writes_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--dir", "~/site", "--tls-cert", "file:///c%20d.pem", "--tls-key", "~/c.key", "--port", "8700"]
    assert main(["service", "install", "--print", *words]) == 0
    unit = capsys.readouterr().out
    assert f'--port 8700 --dir {home}/site --tls-cert "/c d.pem" --tls-key {home}/c.key\n' in unit
    assert "~" not in unit


def test_variables_may_hold_a_home_folder(home: Path, monkeypatch: pytest.MonkeyPatch, make_source: object) -> None:
    monkeypatch.setenv("CLIPS", "~/clips")
    assert callable(make_source)
    with pytest.raises(Exception, match="no such file"):
        make_source("${CLIPS}/x.mp4").open()
    (home / "clips").mkdir()
    (home / "clips" / "x.mp4").touch()
    with pytest.raises(Exception, match="the file is empty"):
        make_source("${CLIPS}/x.mp4").open()


@pytest.mark.parametrize("address", ["RTSP://10.0.0.5/1", "rTsP://10.0.0.5/1", " rtsp://10.0.0.5/1", "WEBCAM:0"])
def test_schemes_in_capitals(address: str) -> None:
    camera = CameraConfig(url=address)
    assert camera.url in ("rtsp://10.0.0.5/1", "webcam:0")
    assert camera.is_live_url


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_configurations_with_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("cameras: [é.mp4]\r\n", encoding=encoding)
    assert load_config(tmp_path / "c.yaml").cameras[0].url.endswith("é.mp4")


@pytest.mark.parametrize(
    "text",
    [
        "output: {dir: 2024-13-45}",
        "run: {fps: " + "9" * 5000 + "}",
        "[" * 3000,
        "a: &a [*a]",
        "run: !!python/object:os.system {}",
        "run: !!float x",
        "\x00",
        'cameras: ["a\\0b"]',
    ],
)
def test_yaml_that_cannot_be_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "c.yaml")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("step", ["²", "①", "٣", "-1", "1" * 5000])
def test_digits_of_other_scripts_are_no_place(step: str) -> None:
    with pytest.raises(ConfigError, match="no entry"):
        load_config(data={"cameras": ["a"]}, overrides={f"cameras.{step}.name": "x"})
