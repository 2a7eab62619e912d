"""The weights that come with the package: found by name, listed, and what they are said to be."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from support.crops import write_crops

from relaytrack.reid.checkpoint import WeightsInfo, save_model
from relaytrack.reid.cli import main
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.errors import WeightsError
from relaytrack.reid.installed import WEIGHTS_FOLDER, default_weights, find_weights, installed_weights
from relaytrack.reid.model import ModelSpec, build_model
from relaytrack.reid.onnx_weights import onnx_info, read_onnx, size_of, store_half


def test_names_files_and_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = installed_weights()
    assert next(iter(known)) == "default"
    assert known["default"] == default_weights() == find_weights(None) == find_weights("default")
    assert known["retail-0286"].name == "retail_0286_fp16.onnx"
    with pytest.raises(WeightsError, match=r"weights not found: retail-0268, did you mean retail-0286\? \(installed: "):
        find_weights("retail-0268")
    monkeypatch.chdir(tmp_path)
    Path("retail-0286").write_bytes(b"mine")
    assert find_weights("retail-0286") == Path("retail-0286")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_weights("~/retail-0286") == tmp_path / "retail-0286"


def test_retail_0286_is_what_its_papers_say() -> None:
    path = installed_weights()["retail-0286"]
    proto = read_onnx(path)
    info = onnx_info(proto)
    assert (info.name, info.licence) == ("retail-0286", "Apache-2.0")
    assert info.threshold is not None
    assert "Apache License" in (WEIGHTS_FOLDER / "LICENSE.retail-0286.txt").read_text()
    provenance = (WEIGHTS_FOLDER / "PROVENANCE.retail-0286.md").read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in provenance
    assert path.stat().st_size < 2_600_000, "half precision"
    assert size_of(proto) == (1_228_213, 571_694_976)
    embedder = Embedder("retail-0286", "cpu")
    assert (embedder.input_size, embedder.dim, embedder.threshold) == ((256, 128), 256, info.threshold)


@pytest.mark.needs("shared")
def test_half_precision_changes_nothing_on_real_people(shared: Path, samples: Path) -> None:
    import cv2

    video = cv2.VideoCapture(str(samples / "west.mp4"))
    crops = []
    for _ in range(6):
        for _ in range(40):
            there, frame = video.read()
        assert there
        height, width = frame.shape[:2]
        step = width // 6
        for y in (0, height // 2):
            rows = frame[y : y + height // 2]
            crops += [np.ascontiguousarray(rows[:, x : x + step, ::-1]) for x in range(0, width - step, step)]
    source, half = (Embedder(name, "cpu")(crops) for name in (shared / "models" / "retail_0286.onnx", "retail-0286"))
    assert (source * half).sum(1).min() > 0.9999


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert sum(entry["default"] for entry in entries.values()) == 1
    retail = entries["retail-0286"]
    assert (retail["licence"], retail["parameters"], retail["milliseconds"]) == ("Apache-2.0", 1_228_213, None)
    assert [people for people, _, _ in retail["scores"]] == [
        "validation people of cuhk03_part",
        "validation people of market1501",
    ]
    assert main(["weights"]) == 0
    text = capsys.readouterr().out
    for name in entries:
        assert name in text
    assert "Apache-2.0" in text


def test_times_are_measured_when_asked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from relaytrack.reid import catalogue

    measured: list[int] = []

    def quick(embedders: list[Embedder], **_: object) -> list[object]:
        measured.append(len(embedders))
        return [type("Row", (), {"median": 1.5 + number})() for number in range(len(embedders))]

    monkeypatch.setattr("relaytrack.reid.latency.measure_latency", quick)
    assert main(["weights", "--time"]) == 0
    assert measured == [len(catalogue.catalogue())]
    text = capsys.readouterr().out
    assert "ms/crop" in text
    assert " 1.50" in text
    assert main(["weights", "--threads", "0"]) == 2


def small(path: Path) -> Path:
    from relaytrack.reid.export import export_onnx

    model = build_model(ModelSpec(backbone="osnet_x0_25", height=64, width=32, embedding_dim=16)).eval()
    weights = save_model(path / "own.safetensors", model, WeightsInfo(name="own", threshold=0.5))
    export_onnx(weights, path / "own.onnx")
    return path / "own.onnx"


def test_import_of_onnx_halves_and_says_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = small(tmp_path), tmp_path / "half.onnx"
    assert main(["import", str(source), str(target), "--half", "--licence", "mine", "--notice", "a notice"]) == 0
    assert "64 x 32, 16 numbers" in capsys.readouterr().out
    assert target.stat().st_size < 0.75 * source.stat().st_size
    info = Embedder(target, "cpu").info
    assert (info.name, info.licence, info.notice, info.threshold) == ("own", "mine", "a notice", 0.5)
    crops = [np.random.default_rng(number).integers(0, 256, (50, 20, 3), dtype=np.uint8) for number in range(4)]
    similar = (Embedder(source, "cpu")(crops) * Embedder(target, "cpu")(crops)).sum(1)
    assert similar.min() > 0.999


def test_import_refuses_what_is_no_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = small(tmp_path)
    (tmp_path / "text.onnx").write_text("no network")
    target = str(tmp_path / "out.onnx")
    for argv, said in (
        ([str(tmp_path / "text.onnx"), target], "text.onnx"),
        ([str(tmp_path / "none.onnx"), target], "weights not found"),
        ([str(source), str(tmp_path / "out.safetensors")], "the name must end in .onnx"),
    ):
        assert main(["import", *argv]) == 2
        line = capsys.readouterr().err.strip()
        assert line.startswith("relaytrack: error: ")
        assert said in line
        assert "\n" not in line
    assert not Path(target).exists()


def test_values_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    import onnx

    proto = read_onnx(small(tmp_path))
    large = next(tensor for tensor in proto.graph.initializer if np.prod(tensor.dims) > 256)
    large.CopyFrom(onnx.numpy_helper.from_array(np.full(tuple(large.dims), 1e6, np.float32), large.name))
    with pytest.raises(WeightsError, match="beyond float16's range"):
        store_half(proto)


def test_an_onnx_file_without_cuda_runs_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from relaytrack.reid import embedder

    monkeypatch.setattr(embedder, "torch_device", lambda _: torch.device("cuda", 0))
    monkeypatch.setattr(embedder, "onnx_on_cuda", lambda: False)
    assert Embedder(small(tmp_path)).provider == "onnxruntime-cpu"


def test_calibrate_over_two_data_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = small(tmp_path)
    some = (4, 6, 12, 15, 17, 19, 20, 22, 5, 7)  # eight of them are CUHK03's validation people
    write_crops(tmp_path / "a", some, size=(32, 16))
    write_crops(tmp_path / "cuhk03_train", some, name="{person:04d}_c{camera}_{shot:02d}.png", size=(32, 16))
    about = ["--dataset", "folder", "--root", str(tmp_path / "a"), "--dataset", "cuhk03_part", "--root", str(tmp_path)]
    assert main(["calibrate", str(source), *about, "--out", str(tmp_path / "out.onnx")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["folder", "cuhk03_part"]
    info = Embedder(tmp_path / "out.onnx", "cpu").info
    rates = [info.results[f"calibration/{name}/false_accept"] for name in ("folder", "cuhk03_part")]
    assert info.false_accept == pytest.approx(np.mean(rates))
    assert info.results["validation/cuhk03_part/queries"] == 16
    assert onnx_info(read_onnx(source)).threshold == 0.5, "the source stays as it was"
    for argv, said in (
        ([*about[:4], "--dataset", "folder", "--root", "x"], "names one data set twice"),
        ([*about, "--root", "x"], "2 times --dataset but 3 times --root"),
        ([*about, "--out", str(tmp_path / "x.safetensors")], "must end in .onnx"),
    ):
        assert main(["calibrate", str(source), *argv]) == 2
        assert said in capsys.readouterr().err
