"""Pictures as anybody may have made them: turned, damaged, cut off."""

from __future__ import annotations

import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from relaytrack.reid.pictures import PictureError, decode_picture


def jpeg(**options: object) -> bytes:
    rng = np.random.default_rng(4)
    image = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


def by_opencv(data: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_pixels_are_those_of_opencv() -> None:
    for data in (jpeg(), jpeg(progressive=True), jpeg(subsampling=0)):
        assert np.array_equal(decode_picture(data), by_opencv(data))
    grey = io.BytesIO()
    Image.new("L", (20, 10), 77).save(grey, "JPEG")
    assert np.array_equal(decode_picture(grey.getvalue()), by_opencv(grey.getvalue()))


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_a_turned_picture_comes_upright(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = jpeg(exif=exif)
    assert np.array_equal(decode_picture(data), by_opencv(data))


def test_damaged_data_write_nothing_to_the_screen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Fault: "Corrupt JPEG data: premature end of data segment", by libjpeg itself."""
    good = jpeg()
    for place in range(len(good) // 3, len(good), 97):
        bad = bytearray(good)
        bad[place : place + 30] = os.urandom(15) + b"\xff\xd3\x00\xff\x00" * 3
        try:
            assert decode_picture(bytes(bad)).shape == (120, 160, 3)
        except PictureError:
            continue
    with pytest.raises(PictureError, match="damaged"):
        decode_picture(good[: len(good) // 2])
    assert capfd.readouterr() == ("", "")
