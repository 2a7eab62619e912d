"""Detections from MOT files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.config.schema import CameraConfig, Config, DetectorConfig
from relaytrack.pipeline.errors import DetectorError
from relaytrack.pipeline.perception.detectors import Detector, create_detector
from relaytrack.pipeline.records import Frame


def detector(path: Path | None, **options: float) -> Detector:
    camera = CameraConfig(url="a.mp4", name="gate", detections=str(path) if path else None)
    return create_detector(Config(cameras=(camera,), detector=DetectorConfig(backend="file", **options)), "cpu")


def frame(index: int, camera: str = "gate", origin: tuple[int, int] = (0, 0)) -> Frame:
    return Frame(camera, index, index / 10, np.zeros((100, 200, 3), np.uint8), origin)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "det.txt"
    path.write_text(
        "7,-1,10,20,30,40,0.6,-1,-1,-1\n"
        "2,-1,5.5,6.5,10,20,0.3,-1,-1,-1\n"
        "2,-1,50,60,20,20,0.9,-1,-1,-1\n"
        "2,-1,70,60,20,20,0.1,-1,-1,-1\n"
        "2,-1,190,90,40,40,7.5,-1,-1,-1\n"
    )
    return path


def test_frames_are_looked_up_by_their_own_number(table: Path) -> None:
    found = detector(table).detect([frame(7), frame(1), frame(2)])
    np.testing.assert_array_equal(found[0].xyxy, [[10, 20, 40, 60]])
    assert len(found[1]) == 0
    np.testing.assert_array_equal(found[2].xyxy, [[190, 90, 230, 130], [50, 60, 70, 80], [5.5, 6.5, 15.5, 26.5]])
    np.testing.assert_allclose(found[2].scores, [1, 0.9, 0.3])


def test_boxes_reach_beyond_the_picture_but_do_not_lie_outside_of_it(tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_text("1,-1,-30,40,40,80,0.9\n1,-1,199.5,10,20,20,0.8\n1,-1,50,-30,20,20,0.7\n1,-1,50,-19,20,20,0.6\n")
    (found,) = detector(path).detect([frame(1)])
    np.testing.assert_array_equal(found.xyxy, [[-30, 40, 10, 120], [50, -19, 70, 1]])


def test_threshold_and_number_of_people(table: Path) -> None:
    assert len(detector(table, score_threshold=0.05).detect([frame(2)])[0]) == 4
    np.testing.assert_allclose(detector(table, max_people=1).detect([frame(2)])[0].scores, [1])


def test_boxes_of_a_cropped_camera_move_with_its_origin(table: Path) -> None:
    found = detector(table).detect([frame(2, origin=(45, 50))])[0]
    np.testing.assert_array_equal(found.xyxy, [[145, 40, 185, 80], [5, 10, 25, 30]])


def test_an_empty_file_is_a_camera_without_people(tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.touch()
    assert len(detector(path).detect([frame(1)])[0]) == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_with_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "det.txt").write_text("1,-1,1,2,3,4,0.5\r\n", encoding=encoding)
    (found,) = detector(tmp_path / "det.txt").detect([frame(1)])
    assert len(found.scores) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("1,-1,1,2,3,4\n", ":1: 6 columns, expected 7 or more"),
        ("1,-1,1,2,3,4,0.5\n1,-1,1\n", ":2: 3 columns"),
        ("frame,id,x,y,w,h,conf\n", r":1: column 1 is not a number \('frame'\)"),
        ("# mine\n\n0,-1,1,2,3,4,0.5\n", ":3: frame numbers are whole and begin at 1"),
        ("1.5,-1,1,2,3,4,0.5\n", "begin at 1"),
        ("1,-1,nan,2,3,4,0.5\n", ":1: a value that is not a number"),
        ("1,-1,1,2,1e300,4,0.5\n", ":1: a number beyond 1e9"),
        ("\udc80\udcfe", "line 1 is not UTF-8 text"),
    ],
)
def test_a_wrong_file_is_one_line_with_camera_and_file(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "det.txt"
    if content is not None:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DetectorError, match=message) as error:
        detector(path)
    text = str(error.value)
    assert "\n" not in text
    assert "'gate'" in text
    assert str(path) in text


@pytest.mark.parametrize("line", ["1;-1;1,5;2;3;4;0,5", "1 -1 1.5 2 3 4 0.5", "1\t-1\t1.5\t2\t3\t4\t0.5"])
def test_columns_may_be_separated_as_spreadsheets_do(tmp_path: Path, line: str) -> None:
    (tmp_path / "det.txt").write_text(f"{line}\n")
    (found,) = detector(tmp_path / "det.txt").detect([frame(1)])
    np.testing.assert_allclose(found.xyxy, [[1.5, 2, 4.5, 6]])
    np.testing.assert_allclose(found.scores, [0.5])


def test_a_camera_without_a_file_is_an_error(table: Path) -> None:
    with pytest.raises(DetectorError, match="'gate'"):
        detector(None)
    with pytest.raises(DetectorError, match="'other'"):
        detector(table).detect([frame(1, camera="other")])


def test_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="directory"):
        detector(tmp_path)
