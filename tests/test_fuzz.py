"""Damaged videos, pictures, caches, networks and MOT files: one line and exit code 2, or a clean run.

`RELAYTRACK_FUZZ=20 pytest tests/test_fuzz.py` tries twenty times as many.
"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.fuzzing import LIMIT, bomb
from tests.support.png import png

ROOT = Path(__file__).resolve().parents[1]
TIMES = int(os.environ.get("RELAYTRACK_FUZZ", "1"))


def _python(*words: object) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, cwd=ROOT, env=settings)


@pytest.mark.parametrize(
    ("kind", "count"),
    [("video", 60), ("picture", 60), ("npz", 80), ("mot", 100), ("run", 80), ("onnx", 8), ("weights", 20), ("csv", 80)],
)
def test_damaged_files_are_refused_in_one_line_or_read(tmp_path: Path, kind: str, count: int) -> None:
    done = _python("-m", "tests.support.fuzzing", kind, count * TIMES, 2026, tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


MAIN = f"""
import pathlib, re, resource, sys
resource.setrlimit(resource.RLIMIT_DATA, ({LIMIT}, {LIMIT}))
from relaytrack.pipeline.cli.main import main
code = main(sys.argv[1:])
# of this program alone: getrusage would count what the tests' process had at the fork
status = pathlib.Path("/proc/self/status").read_text()
print(int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) * 1024)
sys.exit(code)
"""
MOST = 900 * 2**20  # bytes that a command that refuses a file may have in memory; half of it is torch


def _refused(*words: object) -> str:
    """Run the command line within the memory limit; its one line."""
    done = _python("-c", MAIN, *words)
    assert done.returncode == 2, done.stderr[-3000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("relaytrack: error: ")]
    assert len(lines) == 1, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    assert int(done.stdout.splitlines()[-1]) < MOST
    return lines[0]


def test_a_zip_bomb_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    path = bomb(tmp_path / "bomb.npz")
    assert path.stat().st_size < 30_000_000
    line = _refused("track", "--cache", path, "--out", tmp_path / "out.txt")
    assert "bomb.npz" in line
    assert "unpacks to" in line


def test_an_array_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "liar.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (3 * 10**12,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("frame.npy", header.getvalue() + bytes(24))
    line = _refused("track", "--cache", path, "--out", tmp_path / "out.txt")
    assert "the array frame.npy is said to be larger than what is there" in line


def _jpeg(width: int, height: int) -> bytes:
    data = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def test_pictures_of_gigantic_size_are_refused_by_their_headers(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for name, make in (("1.png", partial(png, content=bytes(1000))), ("2.jpg", _jpeg)):
        (frames / name).write_bytes(make(50_000, 50_000))
        (frames / f"1{name}").write_bytes(make(32_000, 32_000))  # this is one that OpenCV would take memory for
    (tmp_path / "det.txt").write_text("1,-1,1,1,20,40,0.9\n")
    words = ("track", "--frames", frames, "--detections", tmp_path / "det.txt", "--motion-only", "--out")
    assert "no image in this folder can be read" in _refused(*words, tmp_path / "out.txt")
