"""The cache of exported networks: used at the second start, never trusted blindly, never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from relaytrack.reid import embedder as embedder_module
from relaytrack.reid import network_cache
from relaytrack.reid.checkpoint import save_model
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.model import ModelSpec, build_model
from relaytrack.reid.network_cache import KEPT, cache_folder, cached_network

SPEC = ModelSpec(height=32, width=32, embedding_dim=8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = cache_folder()
    assert found is not None
    return found


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every export that an embedder makes."""
    made: list[Path] = []
    export = embedder_module._exported

    def counted(path: Path) -> bytes:
        made.append(path)
        return export(path)

    monkeypatch.setattr(embedder_module, "_exported", counted)
    return made


def weights(path: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    return save_model(path, build_model(SPEC).eval())


def crops() -> list[np.ndarray]:
    return [np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)]


def test_the_second_start_exports_nothing_and_gives_the_same(folder: Path, exports: list[Path], tmp_path: Path) -> None:
    path = weights(tmp_path / "a.safetensors")
    first = Embedder(path, "cpu")(crops())
    moved = path.rename(tmp_path / "b.safetensors")
    np.testing.assert_array_equal(Embedder(moved, "cpu")(crops()), first)
    assert len(exports) == 1
    assert len(list(folder.iterdir())) == 1, "no parts of files stay behind"
    assert folder.stat().st_mode & 0o077 == 0, "for the user alone"
    weights(moved, seed=1)  # other weights in a file of the same name
    assert not np.allclose(Embedder(moved, "cpu")(crops()), first)
    assert len(exports) == 2


def test_another_version_makes_its_own(
    folder: Path, exports: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = weights(tmp_path / "a.safetensors")
    Embedder(path, "cpu")
    monkeypatch.setattr(network_cache, "_program", lambda: "relaytrack of tomorrow")
    Embedder(path, "cpu")
    assert len(exports) == 2
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_damaged_file_is_made_anew(damage: bytes | None, folder: Path, exports: list[Path], tmp_path: Path) -> None:
    path = weights(tmp_path / "a.safetensors")
    first = Embedder(path, "cpu")(crops())
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-1000] + bytes(1000) if damage is None else damage)
    np.testing.assert_array_equal(Embedder(path, "cpu")(crops()), first)
    assert len(exports) == 2
    assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    folder: Path, exports: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = weights(tmp_path / "a.safetensors")
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.write_text("a file where the folder should be")
    Embedder(path, "cpu")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    Embedder(path, "cpu")
    monkeypatch.setattr(network_cache.platformdirs, "user_cache_path", lambda *_, **__: Path("~/.cache/relaytrack"))
    monkeypatch.chdir(tmp_path)
    Embedder(path, "cpu")
    assert len(exports) == 3
    assert not (tmp_path / "~").exists()


def test_many_starts_at_once(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    body = os.urandom(3_000_000)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: cached_network(path, lambda: body), range(32)))
    assert all(one == body for one in made)
    assert len(list(folder.iterdir())) == 1


def test_the_cache_keeps_the_files_used_last(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"first")
    cached_network(path, lambda: b"first")
    (first,) = folder.iterdir()
    for number in range(KEPT + 3):
        os.utime(first)
        path.write_bytes(str(number).encode())
        cached_network(path, lambda: b"other")
        for age, file in enumerate(sorted(folder.iterdir())):
            if file != first:
                os.utime(file, (age, age))
    assert len(list(folder.iterdir())) == KEPT
    assert first.exists()


SCRIPT = """
import time
from relaytrack.reid.embedder import Embedder
import onnx, onnxruntime
started = time.perf_counter()
Embedder(device="cpu")
print(time.perf_counter() - started)
"""


def test_a_fresh_process_starts_quickly_from_the_cache(folder: Path) -> None:
    def seconds() -> float:
        done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
        return float(done.stdout)

    first = seconds()
    again = min(seconds() for _ in range(2))
    assert again < first / 3, (first, again)
