"""onnxruntime sends nothing about its use, and leaves nothing of it in the user's folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EMBED = (
    "import numpy as np; from relaytrack import Embedder; Embedder('retail-0286')([np.zeros((64, 32, 3), np.uint8)])"
)
DETECT = (
    "from relaytrack.pipeline.config.schema import Config\n"
    "from relaytrack.pipeline.perception.detectors import create_detector\n"
    "create_detector(Config(), 'cpu')\n"
)


@pytest.mark.parametrize("program", [EMBED, DETECT])
def test_nothing_is_noted_of_the_use(program: str, tmp_path: Path) -> None:
    """Fault: from 1.32 on it keeps events of its use for Microsoft in the cache folder, and sends them."""
    kept = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", program], env=kept | places, check=True, timeout=300)
    assert [path for path in tmp_path.rglob("*") if "icrosoft" in str(path)] == []


def test_it_is_imported_in_one_place() -> None:
    importers = {
        path.name
        for folder in ("pipeline", "reid", "trackers")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if line.strip().startswith(("import onnxruntime", "from onnxruntime"))
    }
    assert importers == set()
