"""`relaytrack bench identities` on a small folder with Market-1501's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from relaytrack.pipeline.cli.main import main


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """Two people of different colour, each twice in two cameras."""
    folder = tmp_path / "Market-1501-v15.09.15"
    for part in ("bounding_box_test", "query"):
        (folder / part).mkdir(parents=True)
    for person, colour in ((1, (200, 40, 40)), (2, (40, 200, 40))):
        for camera in (1, 2):
            for frame in (100, 125):
                picture = np.full((128, 64, 3), colour, np.uint8)
                name = f"{person:04}_c{camera}s1_{1000 * person + 300 * camera + frame:06}_00.jpg"
                cv2.imwrite(str(folder / ("query" if frame == 100 else "bounding_box_test") / name), picture)
    return folder


def scored(root: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(["bench", "identities", "--root", str(root), "--no-baseline", "--threads", "1", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_data_sets_folder_and_the_one_that_holds_it_are_understood(
    market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for root in (market, market.parent):
        joint = scored(root, capsys)["scores"]["joint"]
        assert (joint["people"], joint["tracklets"], joint["images"]) == (2, 4, 8)
        assert joint["recall"] == 1.0


def test_a_folder_without_pictures_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "identities", "--root", str(tmp_path)]) == 2
    assert "bounding_box_test: no images" in capsys.readouterr().err
