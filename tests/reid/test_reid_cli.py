"""`relaytrack reid`: what it prints, writes and answers to bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from relaytrack.reid.checkpoint import WeightsInfo, load_info, load_model, save_model
from relaytrack.reid.cli import COMMANDS, main
from relaytrack.reid.model import ModelSpec, build_model

SPEC = ModelSpec(
    backbone="mobilenet_v2", attention="rga_sc", attention_stages=(4,), height=32, width=32, embedding_dim=8
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    torch.manual_seed(0)
    info = WeightsInfo(name="tiny", dataset="market1501", notice="for tests only")
    return save_model(tmp_path_factory.mktemp("weights") / "tiny.safetensors", build_model(SPEC).eval(), info)


def fails(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main([str(word) for word in argv]) == 2
    captured = capsys.readouterr()
    line = captured.err.strip().splitlines()[-1]
    assert line.startswith("relaytrack: error: ")
    assert "Traceback" not in captured.err
    return line


def test_help_names_every_command_and_says_the_licence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert f"    {name}" in text
    assert "research use only" in text
    for name in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        assert "usage: relaytrack reid " + name in capsys.readouterr().out


def test_eval_prints_json_and_a_table(capsys: pytest.CaptureFixture[str], weights: Path, people: Path) -> None:
    argv = ["eval", "--weights", str(weights), "--dataset", "folder", "--root", str(people), "--rerank"]
    assert main([*argv, "--json"]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert "for tests only" in captured.err
    assert result["cross_dataset"] is True
    assert result["single_query"]["queries"] == 16
    assert 0 <= result["reranked"]["mean_ap"] <= 1
    assert main(argv) == 0
    assert "cross-dataset: the weights learned from market1501" in capsys.readouterr().out


def test_calibrate_stores_the_threshold_and_eval_agrees(
    capsys: pytest.CaptureFixture[str], weights: Path, people: Path, tmp_path: Path
) -> None:
    target = tmp_path / "calibrated.safetensors"
    about = ["--dataset", "folder", "--root", str(people)]
    assert main(["calibrate", str(weights), *about, "--out", str(target)]) == 0
    info = load_info(target)
    assert info.name == "tiny"
    assert info.threshold is not None
    capsys.readouterr()
    assert main(["eval", "--weights", str(target), *about, "--validation", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["calibration"]["equal_error"]["threshold"] == pytest.approx(info.threshold, abs=1e-3)


def test_embed_writes_unit_vectors_by_name(weights: Path, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.npz"
    assert main(["embed", str(people), "--weights", str(weights), "--out", str(out)]) == 0
    with np.load(out) as data:
        assert data["paths"][0] == "0000_c1s1_0.png"
        assert data["embeddings"].shape == (32, 8)
        np.testing.assert_allclose(np.linalg.norm(data["embeddings"], axis=1), 1, rtol=1e-5)


def test_rank_draws_matches_in_green_and_red(weights: Path, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "rank.png"
    argv = ["rank", str(people), str(people), "--weights", str(weights), "--out", str(out), "--top", "4"]
    assert main([*argv, "--queries", "3"]) == 0
    picture = cv2.cvtColor(cv2.imread(str(out)), cv2.COLOR_BGR2RGB)
    tile = picture.shape[1] // 5
    frames = {
        tuple(int(v) for v in picture[row * (picture.shape[0] // 3) + 1, column * tile + 20])
        for row in range(3)
        for column in range(5)
    }
    assert frames <= {(50, 90, 200), (40, 170, 80), (210, 50, 50)}
    assert (50, 90, 200) in frames
    assert len(frames) > 1


def test_export_writes_onnx_that_eval_takes(
    capsys: pytest.CaptureFixture[str], weights: Path, people: Path, tmp_path: Path
) -> None:
    target = tmp_path / "network.onnx"
    assert main(["export", str(weights), str(target)]) == 0
    about = ["--dataset", "folder", "--root", str(people), "--json"]
    results = []
    for file in (weights, target):
        capsys.readouterr()
        assert main(["eval", "--weights", str(file), *about]) == 0
        results.append(json.loads(capsys.readouterr().out)["single_query"]["mean_ap"])
    assert results[0] == pytest.approx(results[1], abs=1e-3)


def test_train_from_the_command_line_and_go_on(
    capsys: pytest.CaptureFixture[str], people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    settings = [
        "data.sources.0.name=folder",
        f"data.sources.0.root={people}",
        "data.identities=4",
        "data.images=2",
        "model.height=32",
        "run.threads=1",
        "run.device=cpu",
        f"run.out={out}",
        "run.iterations=2",
        "run.save_every=1",
        "run.norm_batches=2",
    ]
    words = [word for setting in settings for word in ("--set", setting)]
    assert main(["train", "debug", *words, "--notice", "mine"]) == 0
    assert capsys.readouterr().out.strip() == str(out / "weights.safetensors")
    assert load_info(out / "weights.safetensors").notice == "mine"
    assert main(["train", str(out / "config.yaml"), "--set", "run.iterations=3", "--resume", str(out / "last.pt")]) == 0
    early = tmp_path / "early.safetensors"
    assert main(["export", str(out / "last.pt"), str(early), "--half"]) == 0
    assert "iteration 3" in load_info(early).recipe
    assert load_model(early).spec.backbone == "mobilenet_v2"


def test_bad_input_is_answered_in_one_line(
    capsys: pytest.CaptureFixture[str], weights: Path, people: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    known = ("--weights", weights)
    assert "unknown data set 'markt1501', did you mean market1501" in fails(
        capsys, "eval", *known, "--dataset", "markt1501", "--root", people
    )
    assert "no folder" in fails(capsys, "eval", *known, "--root", tmp_path / "nowhere")
    assert "no images in" in fails(capsys, "embed", empty, *known)
    assert "no folder" in fails(capsys, "embed", tmp_path / "nowhere", *known)
    assert "weights not found" in fails(capsys, "embed", people, "--weights", tmp_path / "none.safetensors")
    assert ".npz or .parquet" in fails(capsys, "embed", people, *known, "--out", tmp_path / "e.txt")
    assert "must end in .onnx or .safetensors" in fails(capsys, "export", weights, tmp_path / "x.bin")
    assert "is no training checkpoint" in fails(capsys, "export", weights, tmp_path / "x.safetensors")
    assert "unknown attention 'rga'" in fails(
        capsys,
        "train",
        "debug",
        "--set",
        "model.attention=rga",
        "--set",
        "data.sources.0.name=folder",
        "--set",
        f"data.sources.0.root={people}",
        "--set",
        f"run.out={tmp_path / 'out'}",
    )
    assert "unknown key 'model.atention', did you mean 'attention'?" in fails(
        capsys, "train", "debug", "--set", "model.atention=rga_s"
    )
    assert "no configuration lihgt" in fails(capsys, "train", "lihgt")


def test_wrong_counts_are_a_warning_of_one_line(
    capsys: pytest.CaptureFixture[str], weights: Path, people: Path, tmp_path: Path
) -> None:
    for folder in ("query", "bounding_box_test"):
        shutil.copytree(people, tmp_path / folder)
    assert main(["eval", "--weights", str(weights), "--root", str(tmp_path), "--json"]) == 0
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if "warning" in line]
    assert lines == [
        "relaytrack: warning: market1501: query has 32 images instead of 3,368 (-3,336); "
        "gallery has 32 images instead of 19,732 (-19,700)"
    ]
    assert json.loads(captured.out)["cross_dataset"] is False


def test_the_people_to_learn_from_are_enough_to_calibrate_by(
    capsys: pytest.CaptureFixture[str], weights: Path, people: Path, tmp_path: Path
) -> None:
    shutil.copytree(people, tmp_path / "bounding_box_train")
    argv = ["calibrate", str(weights), "--dataset", "market1501", "--root", str(tmp_path), "--all"]
    assert main([*argv, "--out", str(tmp_path / "calibrated.safetensors")]) == 0
    assert "train has 32 images" in capsys.readouterr().err


def test_a_corrupt_image_is_an_error_in_evaluation(
    capsys: pytest.CaptureFixture[str], weights: Path, people: Path, tmp_path: Path
) -> None:
    root = tmp_path / "people"
    shutil.copytree(people, root)
    (root / "0003_c1s1_0.png").write_bytes(b"broken")
    line = fails(capsys, "eval", "--weights", weights, "--dataset", "folder", "--root", root)
    assert "cannot decode image" in line
    assert "0003_c1s1_0.png" in line


def test_weights_of_another_network_are_refused(
    capsys: pytest.CaptureFixture[str], weights: Path, people: Path, tmp_path: Path
) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(str(weights), "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        beside = file.metadata()
    tensors.pop(next(name for name in tensors if name.startswith("attention")))
    other = tmp_path / "other.safetensors"
    save_file(tensors, str(other), beside)
    assert "belongs to another network" in fails(capsys, "embed", people, "--weights", other)


def test_pictures_of_which_none_can_be_decoded_are_an_error(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path
) -> None:
    for name in ("a_1_0", "a_2_0", "b_1_0", "b_2_0"):
        (tmp_path / f"{name}.jpg").write_text("no picture")
    network = tmp_path / "network.onnx"
    assert main(["export", str(weights), str(network)]) == 0
    for file in (weights, network):
        line = fails(capsys, "calibrate", file, "--root", tmp_path, "--all", "--out", tmp_path / f"new{file.suffix}")
        assert "none of the 4 images can be decoded" in line
        fails(capsys, "eval", "--weights", file, "--dataset", "folder", "--root", tmp_path, "--validation")


def test_people_who_cannot_be_scored_are_told_with_the_reason(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path
) -> None:
    """Fault: "no query has a match in the gallery", after all pictures had been described."""
    for person in range(9):
        for picture in range(2):
            assert cv2.imwrite(str(tmp_path / f"{person}_1_{picture}.png"), np.full((32, 16, 3), person, np.uint8))
    said = "folder, validation: the people cannot be scored: none of them is seen by two cameras"
    assert said in fails(
        capsys, "eval", "--weights", weights, "--dataset", "folder", "--root", tmp_path, "--validation"
    )
    assert "folder: the people cannot be scored" in fails(capsys, "calibrate", weights, "--root", tmp_path)


def test_pictures_of_a_list_that_are_not_there_are_called_so(
    caplog: pytest.LogCaptureFixture, weights: Path, tmp_path: Path
) -> None:
    rows = [f"x/{person}_{camera}.png,{person},{camera}" for person in range(9) for camera in (1, 2)]
    (tmp_path / "own.csv").write_text("path,id,camera\n" + "\n".join(rows) + "\n")
    words = ("eval", "--weights", weights, "--dataset", "csv", "--root", tmp_path / "own.csv", "--validation")
    assert main([*map(str, words)]) == 2
    assert "held-out images are not there and are left out" in caplog.text


def test_ctrl_c_before_the_first_step_promises_nothing(
    capsys: pytest.CaptureFixture[str], people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: "relaytrack: ; go on with --resume", where nothing had been saved."""

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("relaytrack.reid.training.start.prepare", stopped)
    assert main(["train", "debug", "--set", f"run.out={tmp_path / 'o'}"]) == 130
    assert capsys.readouterr().err == "relaytrack: interrupted\n"


def test_average_writes_no_weights_under_another_ending(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path
) -> None:
    assert "must end in .safetensors" in fails(capsys, "average", weights, "--out", tmp_path / "mean.onnx")
    assert not (tmp_path / "mean.onnx").exists()


def test_a_file_that_is_no_checkpoint_is_said_without_advice_to_read_it_unsafely(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "junk.pt").write_bytes(b"junk" * 9)
    torch.save({"step": 3}, tmp_path / "other.pt")
    whole = (tmp_path / "other.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    for name in ("junk", "other", "cut"):
        line = fails(capsys, "average", tmp_path / f"{name}.pt", "--out", tmp_path / "mean.safetensors")
        assert f"{name}.pt is no training checkpoint" in line
        assert "weights_only" not in line
    for name in ("junk", "cut"):
        line = fails(capsys, "import", tmp_path / f"{name}.pt", tmp_path / "mean.safetensors")
        assert "not a file of plain tensors, or a damaged one" in line


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--batch", "0"),
        ("--steps", "0"),
        ("--minutes", "-1"),
        ("--lr", "nan"),
        ("--every", "0"),
        ("--save-minutes", "0"),
        ("--seed", "-1"),
        ("--people", "-1"),
        ("--warmup", "0"),
    ],
)
def test_guide_refuses_numbers_before_it_loads_anything(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str, value: str
) -> None:
    line = fails(capsys, "guide", "--teacher", tmp_path / "none.onnx", "--out", tmp_path, option, value)
    assert option in line
