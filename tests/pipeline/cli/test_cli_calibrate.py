"""`relaytrack calibrate`: points to a homography and its picture."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import yaml

from relaytrack.pipeline.cli.main import main
from relaytrack.trackers import GroundPlane

POINTS = ["10,470,0,0", "630,470,4,0", "420,200,4,10", "220,200,0,10"]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "yard.png"
    cv2.imwrite(str(path), np.full((480, 640, 3), 90, np.uint8))
    return path


def test_points_become_a_homography_and_a_picture(picture, tmp_path, capsys):
    out, drawn = tmp_path / "ground.yaml", tmp_path / "drawn.png"
    words = ["calibrate", "--image", str(picture), "--out", str(out), "--picture", str(drawn)]
    for point in POINTS[:2]:
        words += ["--point", point]
    listed = tmp_path / "points.csv"
    listed.write_text("# the far end\n" + "\n".join(POINTS[2:]) + "\n")
    assert main([*words, "--points", str(listed)]) == 0
    assert "4 points" in capsys.readouterr().out
    plane = GroundPlane.from_mapping(yaml.safe_load(out.read_text())["ground"])
    np.testing.assert_allclose(plane.project([[630, 470], [220, 200]]), [[4, 0], [0, 10]], atol=1e-6)
    image = cv2.imread(str(drawn))
    assert (image != 90).any(axis=2).sum() > 500


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--point", "1,2,3"], "x,y,X,Y"),
        (["--point", POINTS[0]], "four pairs"),
        (["--points", "nowhere.csv"], "nowhere.csv"),
        (["--point", "nan,1,2,3", *(f"--point={point}" for point in POINTS)], "not a number"),
        (["--point", "1e400,1,2,3", *(f"--point={point}" for point in POINTS)], "too far away"),
    ],
)
def test_bad_points_end_with_one_line(picture, words, message, capsys):
    assert main(["calibrate", "--image", str(picture), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_points_with_a_byte_order_mark(encoding, picture, tmp_path, capsys):
    (tmp_path / "points.csv").write_text("\r\n".join(POINTS), encoding=encoding)
    assert main(["calibrate", "--image", str(picture), "--points", str(tmp_path / "points.csv")]) == 0
    assert "4 points" in capsys.readouterr().out


def test_a_missing_picture_is_named(capsys):
    assert main(["calibrate", "--image", "nowhere.png"]) == 2
    assert "nowhere.png" in capsys.readouterr().err


def test_clicked_points_and_typed_metres(picture, capsys, monkeypatch):
    """The window is played by hand: clicks come while the picture waits for a key, one is taken back."""
    listeners = []
    clicks = [tuple(map(int, point.split(",")[:2])) for point in POINTS]
    clicks.insert(2, (5, 5))
    typed = [",".join(point.split(",")[2:]) for point in POINTS]
    typed.insert(2, "")
    asked = iter(typed)

    def wait(_):
        if not clicks:
            return 27
        x, y = clicks.pop(0)
        listeners[0](cv2.EVENT_MOUSEMOVE, x + 1, y + 1, 0, None)
        listeners[0](cv2.EVENT_LBUTTONDOWN, x, y, 0, None)
        return -1

    monkeypatch.setattr(cv2, "namedWindow", lambda title: None)
    monkeypatch.setattr(cv2, "imshow", lambda title, image: None)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    monkeypatch.setattr(cv2, "setMouseCallback", lambda title, listener: listeners.append(listener))
    monkeypatch.setattr(cv2, "waitKey", wait)
    monkeypatch.setattr("builtins.input", lambda prompt: next(asked))
    assert main(["calibrate", "--image", str(picture), "--click"]) == 0
    printed = capsys.readouterr().out
    assert "4 points, error mean 0.000 m" in printed
    plane = GroundPlane.from_mapping(yaml.safe_load(printed)["ground"])
    np.testing.assert_allclose(plane.project([[10, 470], [420, 200]]), [[0, 0], [4, 10]], atol=1e-6)


def test_a_video_with_oblong_pixels_is_drawn_in_its_true_shape(tmp_path):
    path, drawn = tmp_path / "yard.mp4", tmp_path / "drawn.png"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 480, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((480, 320, 3), 90, np.uint8), "rgb24")))
        container.mux(stream.encode())
    words = ["calibrate", "--image", str(path), "--out", str(tmp_path / "ground.yaml"), "--picture", str(drawn)]
    assert main([*words, *(word for point in POINTS for word in ("--point", point))]) == 0
    assert cv2.imread(str(drawn)).shape == (480, 640, 3)
    path.write_bytes(path.read_bytes()[:50])
    assert main(words) == 2


@pytest.mark.parametrize("between", [";", "\t", " ; "])
def test_points_of_a_spreadsheet(between, picture, tmp_path, capsys):
    rows = ['"x","y","X","Y"', *POINTS[:3], '"' + '","'.join(POINTS[3].split(",")) + '"']
    (tmp_path / "points.csv").write_text("\n".join(row.replace(",", between) for row in rows))
    assert main(["calibrate", "--image", str(picture), "--points", str(tmp_path / "points.csv")]) == 0
    assert "4 points" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--picture", "o.xyz"], "--picture o.xyz: no kind of picture"),
        (["--picture", "o"], "--picture o: no kind of picture"),
        (["--picture", "o.png", "--step", "1e-7"], "--step: 1e-07 m is too small"),
        (["--picture", "o.png", "--step", "nan"], "--step: must be above 0"),
        (["--picture", "o.png", "--step", "inf"], "--step: must be above 0"),
    ],
)
def test_a_picture_that_cannot_be_drawn(words, message, picture, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", "--image", str(picture), *(f"--point={point}" for point in POINTS), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_no_points_at_all(picture, capsys):
    assert main(["calibrate", "--image", str(picture)]) == 2
    assert "no points: give --point" in capsys.readouterr().err
