"""`relaytrack bench multiviewx` on a scene of the same form, made on the spot: six cameras that look straight down."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from relaytrack.pipeline.benchmarks.multiviewx import CELL, ROW, VIEWS, load_scene
from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.config.loading import load_config

WIDTH, HEIGHT, FOCAL, ABOVE = 640, 360, 200.0, 10.0
FRAMES = 6
PEOPLE = np.array([[2.0, 4.0], [6.0, 3.0], [9.0, 5.0]])  # metres
STEP = np.array([0.1, 0.05])  # metres from frame to frame


def matrix(name: str, values: list[list[float]]) -> str:
    data = " ".join(str(value) for row in values for value in row)
    return (
        f'<?xml version="1.0"?>\n<opencv_storage>\n<{name} type_id="opencv-matrix"><rows>{len(values)}</rows>'
        f"<cols>{len(values[0])}</cols><dt>d</dt><data>{data}</data></{name}>\n"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three people who walk for six frames; the fifth camera does not see the third one."""
    root = tmp_path / "scene"
    for part in ("intrinsic", "extrinsic"):
        (root / "calibrations" / part).mkdir(parents=True)
    for camera in range(1, VIEWS + 1):
        centre = [10.0 + 5 * camera, 300.0]
        inner = matrix("camera_matrix", [[FOCAL, 0, centre[0]], [0, FOCAL, centre[1]], [0, 0, 1]])
        inner += matrix("distortion_coefficients", [[0.0]] * 5).split("\n", 2)[2] + "</opencv_storage>"
        outer = matrix("rvec", [[np.pi], [0], [0]]) + matrix("tvec", [[0], [0], [ABOVE]]).split("\n", 2)[2]
        (root / f"calibrations/intrinsic/intr_Camera{camera}.xml").write_text(inner)
        (root / f"calibrations/extrinsic/extr_Camera{camera}.xml").write_text(outer + "</opencv_storage>")
        images = root / "Image_subsets" / f"C{camera}"
        images.mkdir(parents=True)
        for frame in range(FRAMES):
            cv2.imwrite(str(images / f"{frame:04d}.png"), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    (root / "annotations_positions").mkdir()
    for frame in range(FRAMES):
        people = []
        for number, place in enumerate(PEOPLE + frame * STEP):
            across, along = np.round(place / CELL).astype(int).tolist()
            x, y = CELL * across, CELL * along
            views = []
            for camera in range(1, VIEWS + 1):
                u, v = 10.0 + 5 * camera + FOCAL * x / ABOVE, 300.0 - FOCAL * y / ABOVE
                box = [u - 12, v - 60, u + 12, v] if (camera, number) != (5, 2) else [-1, -1, -1, -1]
                views.append(dict(zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)))
            people.append({"personID": number, "positionID": ROW * along + across, "views": views})
        (root / "annotations_positions" / f"{frame + 1:05d}.json").write_text(json.dumps(people))
    return root


def test_the_scene_is_read_and_its_configurations_load(folder: Path, tmp_path: Path) -> None:
    scene = load_scene(folder)
    assert scene.cameras == [f"C{number}" for number in range(1, 7)]
    assert len(scene.person) == FRAMES * (6 * 3 - 1)
    assert set(scene.person.tolist()) == {1, 2, 3}
    assert scene.feet_errors().max() < 0.01
    detected, annotated = scene.write(tmp_path / "out")
    assert load_config(detected).detector.backend == "nanodet"
    assert load_config(annotated).detector.backend == "file"
    fifth = (tmp_path / "out" / "truth" / "C5.txt").read_text().splitlines()
    assert [line.split(",")[:2] for line in fifth[:3]] == [["1", "1"], ["1", "2"], ["2", "1"]]


def test_annotated_boxes_are_run_and_scored(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "multiviewx", "--root", str(folder), "--out", str(tmp_path / "out"), "--boxes", "annotated"]
    assert main([*command, "--set", "run.device=cpu", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["feet_metres"]["p95"] < 0.01
    assert "detected" not in figures
    assert figures["annotated"]["IDs"] == 3
    assert figures["annotated"]["IDF1"] > 99
    assert figures["annotated"]["recall"] > 99


@pytest.mark.parametrize("broken", ["annotations_positions/00002.json", "calibrations/extrinsic/extr_Camera3.xml"])
def test_a_broken_file_is_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str) -> None:
    (folder / broken).write_text("{}")
    assert main(["bench", "multiviewx", "--root", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert broken in capsys.readouterr().err


def test_another_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "multiviewx", "--root", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert str(tmp_path / "none") in capsys.readouterr().err
