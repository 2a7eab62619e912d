"""The picture of queries and their best matches: who is who, and what the frames mean."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from relaytrack.reid.evaluation import picture
from relaytrack.reid.evaluation.picture import identity_and_camera, rank_picture


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0002_c1s1_000451_03.jpg", ("0002", "1")),
        ("0002_c3_7.jpg", ("0002", "3")),
        ("0002_c3.jpg", ("0002", "3")),
        ("anna_west_1.jpg", ("anna", "west")),
        ("anna_corridor_1.jpg", ("anna", "corridor")),
        ("anna_2_1.jpg", ("anna", "2")),
        ("portrait.jpg", None),
    ],
)
def test_identity_and_camera_of_a_name(name: str, expected: tuple[str, str] | None) -> None:
    assert identity_and_camera(Path(name)) == expected


def test_a_legend_and_ids_stand_in_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = picture._write

    def note(where: np.ndarray, text: str, place: tuple[int, int]) -> None:
        written.append(text)
        write(where, text, place)

    monkeypatch.setattr(picture, "_write", note)
    paths = [tmp_path / f"{name}.png" for name in ("7_west_1", "7_east_1", "8_c2_1", "an_extremely_long_name")]
    for path in paths:
        cv2.imwrite(str(path), np.full((40, 20, 3), 90, np.uint8))
    vectors = np.array([[1, 0], [0.9, 0.1], [0.5, 0.5], [0.1, 0.9]], np.float32)
    made = rank_picture(paths[:1], vectors[:1], paths, vectors, top=3)
    for text in ("7 west", "7 east", "8 c2", "an extremely", "query", "0.99", "same identity", "names do not tell"):
        assert any(line.startswith(text) for line in written), text
    legend = made[-48:]
    for colour in (picture._BLUE, picture._GREEN, picture._RED, picture._GREY):
        assert (legend == colour).all(axis=2).any()
    assert made.shape[1] == 4 * (64 + 8 + picture._GAP)


def test_the_picture_is_as_wide_as_its_matches_whatever_is_asked_for(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}_c{number}_1.png" for number in range(3)]
    for path in paths:
        cv2.imwrite(str(path), np.full((40, 20, 3), 90, np.uint8))
    vectors = np.eye(3, dtype=np.float32)
    made = rank_picture(paths, vectors, paths, vectors, top=10_000)
    assert made.shape[1] == 3 * (64 + 8 + picture._GAP)
