"""The scripts of docs/cookbook.md run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.render.encoder import Encoder

ROOT = Path(__file__).parents[2]


def script(number: int, language: str = "python") -> str:
    """A script of the cookbook."""
    text = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[number]


def run(program: str, *words: str) -> list[str]:
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Something red that walks."""
    encoder = Encoder(tmp_path / "gate.mp4", crf=5)
    for index in range(20):
        image = np.full((96, 160, 3), 110, np.uint8)
        image[20:80, 10 + 3 * index : 40 + 3 * index] = (230, 20, 20)
        encoder.write(image, index / 10)
    encoder.close()
    return tmp_path / "gate.mp4"


def test_own_detector_own_sink_step_by_step(clip: Path) -> None:
    program = script(0)
    statements = [line for line in program.splitlines() if line.strip()]
    assert len(statements) <= 30
    shown = "\n".join(run(program, str(clip)))  # two threads print: one's line may begin within the other's
    assert len(re.findall(r"gate \d+ \[", shown)) == 20
    assert re.search(r"gate 20 \[1\] \[\[6\d\.0, \d+\.0, 9\d\.0, 80\.0\]\]", shown), shown[-400:]
    assert re.search(r"  0\.[234] s  gate: enter of person 1", shown)  # by how the CPU computes the embeddings
    assert "  1.9 s  gate: leave of person 1" in shown
    assert "the end" in shown


def test_a_site_whose_cameras_come_and_go() -> None:
    shown = run(script(1))
    assert len(shown) == 2
    assert re.match(r"east running \d+\.\d frames/s \(\d+, \d+\)", shown[0]), shown
    assert int(shown[1].split()[0]) > 5


def test_a_detector_in_a_package_of_its_own(clip: Path, tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    (source / "pyproject.toml").write_text(script(0, "toml"))
    (source / "my_package.py").write_text(script(2))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True, timeout=120)
    text = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
    (given,) = re.findall(r"`(relaytrack run --source a\.mp4 [^`]*)`", text)
    words = shlex.split(given.replace("a.mp4", str(clip)))[1:]
    command = [
        sys.executable,
        "-m",
        "relaytrack.pipeline.cli.main",
        *words,
        "--out",
        str(tmp_path / "out"),
        "--no-video",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out" / "tracks" / "gate.txt").read_text().splitlines()
    assert len(lines) == 20
    np.testing.assert_allclose([float(number) for number in lines[0].split(",")[2:6]], [10, 20, 30, 60], atol=4)
