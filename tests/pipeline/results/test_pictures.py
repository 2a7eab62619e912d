"""Deleting the pictures of people: of a forgotten one, and of those who are no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.correction import Correction, correct_pictures
from relaytrack.pipeline.results.identity_pictures import remove_other_pictures


def test_a_forgotten_persons_pictures_go(tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    (crops / "a").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", "a/7-3.jpg", "a/8-3.jpg", "a/8-4.jpg.partial"):
        (crops / name).touch()
    correct_pictures(tmp_path, Correction("forget", 1, 0, {("a", 7): (0.0, 1.0)}))
    assert {str(path.relative_to(crops)) for path in crops.rglob("*") if path.is_file()} == {"2.jpg", "a/8-3.jpg"}


def test_a_picture_that_cannot_be_deleted_is_told_in_a_line(tmp_path: Path) -> None:
    """Fault: a live run's forget ended with a traceback."""
    picture = tmp_path / "crops" / "1.jpg"
    picture.mkdir(parents=True)
    with pytest.raises(OutputError, match=f"cannot delete {picture}"):
        correct_pictures(tmp_path, Correction("forget", 1, 0, {}))
    with pytest.raises(OutputError, match=f"cannot delete {picture}"):
        remove_other_pictures(tmp_path, kept=())
