"""Searching a finished run for a person."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.steps import Shot, step_of

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.postprocess.search import as_table, contact_sheet, read_picture, search, write_sheet
from relaytrack.pipeline.records import Floats, Frame, Image
from relaytrack.pipeline.sinks.identities import IdentitiesSink

COLORS = {1: (200, 40, 40), 2: (40, 200, 40), 3: (190, 60, 40)}


def _embed(pictures: Sequence[Image]) -> Floats:
    """The mean colour, as a unit vector."""
    means = np.array([picture.reshape(-1, 3).mean(axis=0) for picture in pictures], np.float32)
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Person 1 in both cameras, persons 2 and 3 in one each."""
    folder = tmp_path / "run"
    sink = IdentitiesSink(folder, ["a", "b"])
    for camera, people in (("a", [1, 2]), ("b", [1, 3])):
        image = np.full((120, 200, 3), 90, np.uint8)
        boxes = []
        for place, person in enumerate(people):
            boxes.append([20 + 80 * place, 20, 60 + 80 * place, 110])
            image[20:110, 20 + 80 * place : 60 + 80 * place] = COLORS[person]
        embeddings = _embed([np.full((2, 2, 3), COLORS[person], np.uint8) for person in people])
        ids = np.array(people, np.int64)
        xyxy = np.array(boxes, np.float32)
        frame = Frame(camera, 1, 3.0, image)
        sink.write(step_of(Shot.of(frame, ids, ids, xyxy, np.full(2, 0.9, np.float32), embeddings=embeddings)))
    sink.close()
    return folder


def test_the_most_alike_tracks_of_all_cameras_come_first(run: Path) -> None:
    picture = np.full((50, 20, 3), COLORS[1], np.uint8)
    matches = search(run, picture, _embed)
    assert [(match.rank, match.identity, match.camera) for match in matches] == [
        (1, 1, "a"),
        (2, 1, "b"),
        (3, 3, "b"),
        (4, 2, "a"),
    ]
    assert matches[0].similarity == pytest.approx(1.0, abs=1e-3)
    assert (matches[0].first, matches[0].crop) == (3.0, "crops/a/1-1.jpg")
    assert len(search(run, picture, _embed, top=2)) == 2
    json.dumps([match.as_dict() for match in matches])


def test_table_and_contact_sheet(run: Path, tmp_path: Path) -> None:
    from relaytrack.pipeline.results.run_data import load_run

    picture = np.full((50, 20, 3), COLORS[2], np.uint8)
    matches = search(run, picture, _embed)
    lines = as_table(load_run(run), matches)
    assert len(lines) == 5
    assert lines[1].split() == ["1", "1.000", "2", "a", "0:03.0", "0:03.0"]
    sheet = contact_sheet(run, picture, matches)
    for place in (0, 1):  # asked for and the best match stand side by side
        np.testing.assert_allclose(sheet[130, 70 + 130 * place], COLORS[2], atol=6)
    path = tmp_path / "sheet.png"
    write_sheet(path, sheet)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    np.testing.assert_array_equal(read_picture(path), sheet)
    with pytest.raises(InputError, match=r"a contact sheet is"):
        write_sheet(tmp_path / "sheet.gif", sheet)


def test_wrong_input_is_one_clear_line(run: Path, tmp_path: Path) -> None:
    picture = np.zeros((5, 5, 3), np.uint8)
    with pytest.raises(InputError, match="embeddings of 3 numbers, the network makes 4"):
        search(run, picture, lambda pictures: np.ones((1, 4), np.float32))
    (run / "embeddings.npz").unlink()
    with pytest.raises(InputError, match="kept no embeddings"):
        search(run, picture, _embed)
    with pytest.raises(InputError, match="No such file"):
        read_picture(tmp_path / "nobody.jpg")
    (tmp_path / "text.jpg").write_text("text")
    with pytest.raises(InputError, match="not a picture"):
        read_picture(tmp_path / "text.jpg")


def test_the_command_refuses_a_folder_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "person.png"), np.zeros((20, 10, 3), np.uint8))
    code = main(["search", "--run", str(tmp_path), "--image", str(tmp_path / "person.png")])
    assert code == 2
    assert "no run of RelayTrack" in capsys.readouterr().err
