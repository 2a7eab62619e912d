"""`relaytrack reid`: what it prints, writes and answers to bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from relaytrack.reid.checkpoint import load_info, load_model
from relaytrack.reid.cli import COMMANDS, main


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


def test_eval_prints_json_and_a_table(capsys: pytest.CaptureFixture[str], tiny_weights: Path, people: Path) -> None:
    argv = ["eval", "--weights", str(tiny_weights), "--dataset", "folder", "--root", str(people), "--rerank"]
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
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, people: Path, tmp_path: Path
) -> None:
    target = tmp_path / "calibrated.safetensors"
    about = ["--dataset", "folder", "--root", str(people)]
    assert main(["calibrate", str(tiny_weights), *about, "--out", str(target)]) == 0
    info = load_info(target)
    assert info.name == "tiny"
    assert info.threshold is not None
    capsys.readouterr()
    assert main(["eval", "--weights", str(target), *about, "--validation", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["calibration"]["equal_error"]["threshold"] == pytest.approx(info.threshold, abs=1e-3)


def test_embed_writes_unit_vectors_by_name(tiny_weights: Path, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.npz"
    assert main(["embed", str(people), "--weights", str(tiny_weights), "--out", str(out)]) == 0
    with np.load(out) as data:
        assert data["paths"][0] == "0000_c1s1_0.png"
        assert data["embeddings"].shape == (32, 8)
        np.testing.assert_allclose(np.linalg.norm(data["embeddings"], axis=1), 1, rtol=1e-5)


def test_rank_draws_matches_in_green_and_red(tiny_weights: Path, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "rank.png"
    argv = ["rank", str(people), str(people), "--weights", str(tiny_weights), "--out", str(out), "--top", "4"]
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
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, people: Path, tmp_path: Path
) -> None:
    target = tmp_path / "network.onnx"
    assert main(["export", str(tiny_weights), str(target)]) == 0
    about = ["--dataset", "folder", "--root", str(people), "--json"]
    results = []
    for file in (tiny_weights, target):
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


def test_wrong_counts_are_a_warning_of_one_line(
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, people: Path, tmp_path: Path
) -> None:
    for folder in ("query", "bounding_box_test"):
        shutil.copytree(people, tmp_path / folder)
    assert main(["eval", "--weights", str(tiny_weights), "--root", str(tmp_path), "--json"]) == 0
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if "warning" in line]
    assert lines == [
        "relaytrack: warning: market1501: query has 32 images instead of 3,368 (-3,336); "
        "gallery has 32 images instead of 19,732 (-19,700)"
    ]
    assert json.loads(captured.out)["cross_dataset"] is False


def test_the_people_to_learn_from_are_enough_to_calibrate_by(
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, people: Path, tmp_path: Path
) -> None:
    shutil.copytree(people, tmp_path / "bounding_box_train")
    argv = ["calibrate", str(tiny_weights), "--dataset", "market1501", "--root", str(tmp_path), "--all"]
    assert main([*argv, "--out", str(tmp_path / "calibrated.safetensors")]) == 0
    assert "train has 32 images" in capsys.readouterr().err
