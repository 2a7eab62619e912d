"""`relaytrack run` with bad input: one clear line that names the culprit, exit code 2, no traceback."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from relaytrack.pipeline.cli.main import main


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command line; expect exit code 2 and return its one error line."""
    start = time.monotonic()
    code = main([*arguments])
    shown = capsys.readouterr().err
    assert code == 2, shown
    errors = [line for line in shown.splitlines() if line.startswith("relaytrack: error: ")]
    assert len(errors) == 1, shown
    assert "Traceback" not in shown
    assert time.monotonic() - start < 30
    return errors[0]


@pytest.fixture
def source(samples: Path) -> str:
    return str(samples / "west.mp4")


def test_no_cameras(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "no cameras" in refused(capsys, "run")
    (tmp_path / "c.yaml").write_text("cameras: []\n")
    assert "no cameras" in refused(capsys, "run", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "o"))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.mkdir(), "x"),
        (lambda p: p.write_text("this is a text, not a film\n" * 100), "x"),
        (lambda p: p.touch(), "empty"),
    ],
    ids=["missing", "folder", "text", "zero bytes"],
)
def test_an_unreadable_source_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, make: object, says: str
) -> None:
    path = tmp_path / "x.mp4"
    assert callable(make)
    make(path)
    line = refused(capsys, "run", "--source", str(path), "--out", str(tmp_path / "out"))
    assert "camera 'x'" in line
    assert says in line
    assert not (tmp_path / "out" / "run.json").exists()


def test_a_file_cut_before_its_index_is_called_incomplete(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(tmp_path / "whole.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=10, width=64, height=64)
        for k in range(40):
            noise = np.random.default_rng(k).integers(0, 255, (64, 64, 3), dtype=np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        out.mux(stream.encode(None))
    whole = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    line = refused(capsys, "run", "--source", str(tmp_path / "half.mp4"), "--out", str(tmp_path / "out"))
    assert "camera 'half'" in line
    assert "incomplete file" in line


def test_an_unknown_host_and_a_refused_port(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out"), "--set", "input.open_timeout=5"]
    line = refused(capsys, "run", "--source", "door=rtsp://bob:s3cret@nowhere.invalid/x", *out)
    assert "camera 'door'" in line
    assert "s3cret" not in line
    line = refused(capsys, "run", "--source", "rtsp://bob:s3cret@127.0.0.1:9/x", *out)
    assert "camera 'cam1'" in line
    assert "bob" not in line


def test_configuration_mistakes(capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"cameras: [{source}]\ndetector: {{score_treshold: 0.3}}\n")
    assert re.search(r"c\.yaml: unknown key 'detector.score_treshold', did you mean", refused(capsys, "run", str(path)))
    assert "--set" in refused(capsys, "run", "--source", source, "--set", "nonsense")
    line = refused(capsys, "run", "--source", source, "--set", "tracker.n_init=many")
    assert "tracker" in line
    assert "n_init" in line
    assert "error: configuration: two cameras are named 'a'" in refused(
        capsys, "run", "--source", f"a={source}", "--source", f"a={source}"
    )
    assert "not both" in refused(capsys, "run", str(path), "--source", source)


def test_an_output_folder_that_is_not_empty(capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    assert str(tmp_path) in refused(capsys, "run", "--source", source, "--out", str(tmp_path))
    assert (tmp_path / "precious.txt").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/version").exists(), reason="needs a folder nobody can write")
def test_an_output_folder_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str
) -> None:
    for out in ("/proc/relaytrack-cannot-write-here", str(tmp_path / "file" / "below")):
        (tmp_path / "file").touch()
        line = refused(capsys, "run", "--source", source, "--out", out)
        assert out.rsplit("/", 1)[0] in line


def test_weights_that_are_missing_or_of_another_network(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str
) -> None:
    arguments = ["run", "--source", source, "--out", str(tmp_path / "out"), "--set"]
    assert "gone.safetensors" in refused(capsys, *arguments, "embedder.weights=gone.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    line = refused(capsys, *arguments, f"embedder.weights={tmp_path / 'text.safetensors'}")
    assert "text.safetensors" in line
    assert "gone.onnx" in refused(capsys, *arguments, "detector.weights=gone.onnx")


def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    line = refused(capsys, "run", "--source", source, "--out", str(tmp_path / "out"), "--device", "cuda")
    assert "cuda" in line


def test_help_names_every_command_and_the_licence_of_the_weights(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for command in ("run", "demo", "track", "eval", "bench", "reid"):
        assert re.search(rf"^\s+{command}\b", shown, re.M), command
    assert "research use" in shown


def test_the_notice_of_weights_is_told(tmp_path: Path) -> None:
    """Fault: `--notice` promised a line that every run with the weights prints; only commands of reid printed it."""
    from relaytrack.pipeline.cli.progress import weights_licence
    from relaytrack.pipeline.config.schema import CameraConfig, Config, EmbedderConfig
    from relaytrack.reid.checkpoint import WeightsInfo, save_model
    from relaytrack.reid.export import to_onnx
    from relaytrack.reid.model import ModelSpec, build_model

    def told(weights: str | None) -> str | None:
        return weights_licence(Config(cameras=(CameraConfig(url="a.mp4"),), embedder=EmbedderConfig(weights=weights)))

    model = build_model(ModelSpec(backbone="osnet_in_x0_25", attention="none", height=64, width=32, embedding_dim=32))
    info = WeightsInfo(name="ours", notice="for the school's own cameras only")
    path = save_model(tmp_path / "w.safetensors", model, info)
    network = tmp_path / "w.onnx"
    network.write_bytes(to_onnx(model, info=info))
    assert told(str(path)) == told(str(network)) == "for the school's own cameras only"
    assert told(str(save_model(tmp_path / "quiet.safetensors", model, WeightsInfo()))) is None
    assert told("retail-0286") is None
    assert told("gone.safetensors") is None
    assert "research use only" in (told(None) or "")
    assert told("relaytrack-default-int8") == told(None)


@pytest.mark.parametrize("on_failure", ["fail", "retry"])
def test_a_camera_that_never_opens_is_an_error_at_the_end_of_the_run(
    on_failure: str, silent_server: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--max-seconds", "1.5", "--set", f"input.on_start_failure={on_failure}", "--out", str(tmp_path / "out")]
    line = refused(capsys, "run", "--source", f"rtsp://u:s3cret@127.0.0.1:{silent_server}/1", *words)
    assert "camera 'cam1': no picture" in line
    assert "s3cret" not in line


def test_a_live_run_is_started_again_in_its_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Fault: a supervisor that started a live run again looped for ever: its folder was not empty."""
    samples = Path(__file__).parents[3] / "samples"
    words = ["run", "--source", f"west={samples / 'west.mp4'}", "--live", "--max-seconds", "1", "--no-video"]
    words += ["--out", str(tmp_path / "o")]
    for _ in range(2):
        assert main([*words, "--resume"]) == 0
    info = json.loads((tmp_path / "o" / "run.json").read_text())
    assert len(info["starts"]) == 2
    assert len(list((tmp_path / "o" / "tracks" / "west").iterdir())) == 2
    capsys.readouterr()
    assert "a live run goes on in its folder with --resume" in refused(capsys, *words)
