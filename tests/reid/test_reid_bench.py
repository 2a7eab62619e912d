"""`relaytrack reid bench`: it counts right and measures what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from relaytrack.reid.bench import bench, memory_growth, runner
from relaytrack.reid.checkpoint import WeightsInfo, save_model
from relaytrack.reid.cli import main
from relaytrack.reid.cost import count_macs
from relaytrack.reid.errors import ReidError
from relaytrack.reid.model import ModelSpec, build_model

SPEC = ModelSpec(backbone="osnet_x0_25", height=64, width=32)


def test_multiplications_are_those_of_the_layers() -> None:
    model = build_model(SPEC).eval()
    total = 0

    def count(module: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
        total += output.numel() * module.weight[0].numel()

    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)  # type: ignore[arg-type]
    with torch.no_grad():
        model(torch.zeros(1, 3, 64, 32))
    assert count_macs(build_model(SPEC)) == total


def test_rows_and_ratios() -> None:
    rows = bench([SPEC, SPEC], engines=("eager", "deployed", "onnxruntime"), batches=(1, 2), rounds=1)
    assert len(rows) == 2 * 3 * 2
    assert all(row.ratio == 1.0 for row in rows[::2])
    assert all(row.images_per_second > 0 for row in rows)


def test_engines_compute_the_same() -> None:
    torch.manual_seed(0)
    model = build_model(SPEC).eval()
    outputs = []
    for engine in ("eager", "channels_last", "deployed"):
        torch.manual_seed(1)
        outputs.append(runner(model, engine, "fp32", 2, torch.device("cpu"))())
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(outputs[0], outputs[2], atol=1e-4, rtol=1e-4)


def test_memory_grows_with_the_batch() -> None:
    small, large = (memory_growth(SPEC, "eager", "fp32", batch) for batch in (1, 256))
    assert large > small + 10


def test_a_training_step_keeps_more_and_takes_longer() -> None:
    rows = bench([SPEC], engines=("channels_last", "training"), batches=(16,), rounds=3, memory=True)
    assert rows[1].images_per_second < rows[0].images_per_second
    assert rows[0].memory_mib is not None
    assert rows[1].memory_mib is not None
    assert rows[1].memory_mib > rows[0].memory_mib
    with pytest.raises(ReidError, match="batch of at least 2"):
        bench([SPEC], engines=("training",), batches=(1,))


def test_a_training_step_of_stripes_in_bf16() -> None:
    spec = ModelSpec(backbone="resnet50", head="stripes", height=96, width=32)
    assert bench([spec], engines=("training",), precisions=("bf16",), batches=(4,), rounds=1)[0].ratio == 1.0


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    accuracies = tmp_path / "known.json"
    accuracies.write_text(json.dumps({"osnet_x0_25/none": 50, "osnet_x0_25/pfsa": 51}))
    argv = ["bench", "--backbones", "osnet_x0_25", "--attentions", "none,pfsa", "--size", "64x32", "--engines", "eager"]
    argv += ["--batches", "2", "--rounds", "1", "--accuracies", str(accuracies), "--plot", str(tmp_path / "p.png")]
    assert main(argv) == 0
    assert "osnet_x0_25 pfsa" in capsys.readouterr().out
    assert (tmp_path / "p.png").stat().st_size > 1000
    for extra, message in (
        (["--engines", "magic"], "unknown engine 'magic'"),
        (["--size", "big"], "--size is HEIGHTxWIDTH"),
        (["--attentions", "magic"], "unknown attention 'magic'"),
        (["--backbones", "magic"], "unknown backbone 'magic'"),
    ):
        assert main([*argv, *extra]) == 2
        assert message in capsys.readouterr().err


def test_a_plot_without_matplotlib_is_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["bench", "--accuracies", str(tmp_path / "known.json")]) == 2
    assert "pip install 'relaytrack[train]'" in capsys.readouterr().err


def test_time_per_crop_of_weights(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = save_model(tmp_path / "small.safetensors", build_model(SPEC).eval(), WeightsInfo())
    argv = ["bench", "--embedders", f"default,{small}", "--batches", "1,2", "--rounds", "2", "--threads", "1"]
    assert main([*argv, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["weights"], row["batch"]) for row in rows] == [
        *((name, batch) for batch in (1, 2) for name in ("relaytrack_default.safetensors", "small.safetensors"))
    ]
    assert (rows[1]["height"], rows[1]["width"]) == (64, 32)
    assert all(0 < row["median"] <= row["p90"] for row in rows)
    assert rows[1]["median"] < rows[0]["median"]
    assert main(argv) == 0
    assert "64 x 32" in capsys.readouterr().out
    assert main(["bench", "--embedders", "missing.safetensors"]) == 2
    assert "missing.safetensors" in capsys.readouterr().err


def test_the_help_lists_what_there_is() -> None:
    from relaytrack.reid.attention.factory import KINDS
    from relaytrack.reid.backbones.factory import NAMES
    from relaytrack.reid.commands import bench as command

    assert command.BACKBONES == NAMES
    assert command.ATTENTIONS == KINDS


def test_onnxruntime_is_fp32() -> None:
    with pytest.raises(ReidError, match="fp32 only"):
        runner(build_model(SPEC), "onnxruntime", "bf16", 1, torch.device("cpu"))
