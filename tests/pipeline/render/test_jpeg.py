"""Pictures as JPEG: one function for the whole program."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from relaytrack.pipeline.render.jpeg import jpeg

ROOT = Path(__file__).resolve().parents[3]


def test_colours_and_size_stay() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30] = (230, 60, 20)
    image.flags.writeable = False
    read = np.asarray(Image.open(io.BytesIO(jpeg(image))))
    assert read.shape == image.shape
    assert np.abs(read[:, :24].astype(int) - (230, 60, 20)).max() < 12
    assert np.abs(read[:, 36:].astype(int)).max() < 12
    noise = np.random.default_rng(0).integers(0, 255, image.shape).astype(np.uint8)
    assert len(jpeg(noise, 50)) < len(jpeg(noise, 95))
    part = noise[5:30, ::2]  # not in one piece
    assert np.asarray(Image.open(io.BytesIO(jpeg(part)))).shape == part.shape


def test_nobody_else_makes_them() -> None:
    found = [path for path in (ROOT / "pipeline").rglob("*.py") if "IMWRITE_JPEG" in path.read_text(encoding="utf-8")]
    assert [path.name for path in found] == ["jpeg.py"]
