"""Which form of the weights computes: single precision or 8-bit integers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from relaytrack.reid import embedder as module
from relaytrack.reid import precision
from relaytrack.reid.cli import main
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.errors import ReidError, WeightsError
from relaytrack.reid.installed import default_weights, installed_weights, int8_form


def people(count: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    draw = np.random.default_rng(0)
    return [np.kron(draw.integers(0, 256, (8, 4, 3)), np.ones((12, 12, 1))).astype(np.uint8) for _ in range(count)]


@pytest.mark.parametrize(("quick", "used"), [(True, "int8"), (False, "fp32")])
def test_auto_follows_the_cpu(quick: bool, used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_has_int8", lambda: quick)
    embedder = Embedder(None, "cpu", precision="auto")
    assert embedder.precision == used
    assert (embedder.weights == default_weights()) == (not quick)
    assert Embedder("retail-0286", "cpu", precision="auto").precision == "fp32", "it has no 8-bit form"


def test_both_forms_of_the_default_weights_see_the_same() -> None:
    exact, small = (Embedder(None, "cpu", precision=one) for one in ("fp32", "int8"))
    assert (exact.dim, exact.input_size) == (small.dim, small.input_size)
    assert exact.threshold == pytest.approx(small.threshold, abs=0.02)
    crops = people(24)
    cosines = (exact(crops) * small(crops)).sum(1)
    assert np.median(cosines) > 0.97
    assert cosines.max() < 1 - 1e-6, "it does compute in 8 bits"
    np.testing.assert_array_equal(small(crops), Embedder(None, "cpu", precision="int8")(crops))


def test_own_weights_are_never_exchanged_unasked(small_weights: Path, tmp_path: Path) -> None:
    own = Path(shutil.copy(small_weights, tmp_path / "own.safetensors"))
    with pytest.raises(WeightsError, match=r"own\.safetensors has no 8-bit form: make own_int8\.onnx with"):
        Embedder(own, "cpu", precision="int8")
    form = shutil.copy(installed_weights()["relaytrack-default-int8"], tmp_path / "own_int8.onnx")
    assert int8_form(own) == Path(form)
    assert Embedder(own, "cpu", precision="int8").weights == Path(form)
    assert Embedder(own, "cpu", precision="auto").weights == own
    assert Embedder(form, "cpu", precision="fp32").precision == "int8", "a file that has no other form"


def test_integers_are_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "torch_device", lambda _: torch.device("cuda", 0))
    with pytest.raises(ReidError, match="precision int8 is for the CPU, and the network runs on cuda:0"):
        Embedder(None, "cuda", precision="int8")


@pytest.mark.parametrize(
    ("found", "file", "expected"),
    [
        ({"avx512_vnni": True, "avx_vnni": False}, "", True),
        ({"avx512_vnni": False, "avx_vnni": True}, "", True),
        ({"avx512_vnni": False, "avx_vnni": False}, "flags: avx512_vnni", False),
        ({"neon": True}, "flags : fpu avx2 avx512_vnni\n", True),
        (None, "flags : fpu avx2 avx_vnni_int8\n", False),
        (None, "flags : fpu avx_vnni\n", True),
    ],
)
def test_the_cpu_is_asked(
    found: dict[str, bool] | None, file: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", None if found is None else lambda: found, raising=False)
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: file)
    precision.cpu_has_int8.cache_clear()
    try:
        assert precision.cpu_has_int8() is expected
    finally:
        precision.cpu_has_int8.cache_clear()


def test_the_list_says_which_form_is_taken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from relaytrack.reid import catalogue

    monkeypatch.setattr(catalogue, "cpu_has_int8", lambda: False)
    assert main(["weights", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries["relaytrack-default"]["int8_form"] == "relaytrack_default_int8.onnx"
    assert not entries["relaytrack-default"]["int8_taken"]
    assert entries["relaytrack-default-int8"]["int8_form"] is None
    monkeypatch.setattr(catalogue, "cpu_has_int8", lambda: True)
    assert main(["weights"]) == 0
    assert "8-bit form: relaytrack_default_int8.onnx (taken here;" in capsys.readouterr().out
