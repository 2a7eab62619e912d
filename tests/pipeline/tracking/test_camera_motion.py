"""The camera's own motion: estimated from pictures, and what knowing it is worth to the tracker."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.identity.service import LocalIdentityService
from relaytrack.pipeline.records import Detections, Frame, Observation
from relaytrack.pipeline.tracking.camera_motion import CameraMotion
from relaytrack.pipeline.tracking.multi_camera import MultiCameraTracker
from relaytrack.pipeline.tracking.session import CameraSession
from relaytrack.trackers import DeepSort, IdentityAssociator
from relaytrack.trackers.evaluation import read_mot

WIDTH, HEIGHT, FRAMES, PEOPLE = 480, 360, 24, 5


def background(seed: int = 0) -> NDArray[np.uint8]:
    """A large blurred texture to look at."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (HEIGHT + 400, WIDTH + 400, 3))
    coarse, fine = (cv2.GaussianBlur(noise, (0, 0), size) * size for size in (20, 3))
    return np.asarray(cv2.normalize(coarse + 0.5 * fine, None, 0, 255, cv2.NORM_MINMAX), np.uint8)


def place(k: int) -> NDArray[np.float64]:
    """(2, 3) map from the background's pixels to frame k's: the camera is carried and shaken."""
    rng = np.random.default_rng(k)
    angle, scale = 0.03 * np.sin(k), 1 + 0.03 * np.cos(k / 2)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.concatenate([turn, (rng.normal(0, 8, 2) - 150)[:, None]], axis=1)


def between(k: int) -> NDArray[np.float64]:
    """(2, 3) map from frame k - 1 to frame k."""
    before, now = (np.vstack([place(i), [0, 0, 1]]) for i in (k - 1, k))
    return np.asarray((now @ np.linalg.inv(before))[:2])


def person(i: int, k: int) -> NDArray[np.float64]:
    """(4,) box of person i in frame k, in the background's pixels: close together, walking slowly."""
    x, y = 260 + 30 * i + 1.5 * k * (-1) ** i, 260 + 8 * i
    return np.array([x, y, x + 16, y + 44])


def shot(k: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The picture of frame k and its boxes."""
    scene = background().copy()
    boxes = np.array([person(i, k) for i in range(PEOPLE)])
    for i, (x1, y1, x2, y2) in enumerate(boxes.astype(int).tolist()):
        scene[y1:y2, x1:x2] = (40 * i, 255 - 40 * i, 90)
    matrix = place(k)
    image = cv2.warpAffine(scene, matrix, (WIDTH, HEIGHT))
    centre = boxes.reshape(-1, 2, 2).mean(axis=1) @ matrix[:, :2].T + matrix[:, 2]
    half = 0.5 * (boxes[:, 2:] - boxes[:, :2]) * np.sqrt(np.linalg.det(matrix[:, :2]))
    return np.asarray(image, np.uint8), np.concatenate([centre - half, centre + half], axis=1)


def test_motion_is_found_to_half_a_pixel() -> None:
    motion = CameraMotion()
    grid = np.stack(np.meshgrid([50, 240, 430], [50, 180, 310]), axis=-1).reshape(-1, 2)
    for k in range(8):
        warp = motion.follow(*shot(k))
        if k == 0:
            np.testing.assert_array_equal(warp, np.eye(2, 3))
            continue
        true = between(k)
        found, wanted = (grid @ m[:, :2].T + m[:, 2] for m in (warp, true))
        assert np.abs(found - wanted).max() < 0.5


def test_pictures_without_anything_to_follow_count_as_standing() -> None:
    motion = CameraMotion()
    rng = np.random.default_rng(0)
    pictures = [np.zeros((90, 120, 3)), np.full((90, 120, 3), 200), *rng.integers(0, 256, (2, 90, 120, 3))]
    for picture in (*pictures, np.zeros((60, 80, 3))):
        warp = motion.follow(picture.astype(np.uint8), np.array([[-5.0, -5, 500, 500]]))
        np.testing.assert_array_equal(warp, np.eye(2, 3))


def test_a_shaken_sequence_is_tracked_as_well_as_a_steady_one(tmp_path: Path) -> None:
    folder = tmp_path / "img1"
    folder.mkdir()
    lines = []
    for k in range(FRAMES):
        image, boxes = shot(k)
        cv2.imwrite(str(folder / f"{k + 1:06d}.png"), image[..., ::-1])
        lines += [f"{k + 1},-1,{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},0.9" for x1, y1, x2, y2 in boxes]
    (tmp_path / "det.txt").write_text("\n".join(lines))
    words = ["track", "--frames", str(tmp_path), "--fps", "10", "--detections", str(tmp_path / "det.txt")]
    ids = {}
    for name, more in (("told", ["--camera-motion"]), ("untold", [])):
        out = tmp_path / f"{name}.txt"
        assert main([*words, "--motion-only", *more, "--out", str(out)]) == 0
        ids[name] = np.unique(read_mot(out).ids)
    assert len(ids["told"]) == PEOPLE
    assert len(ids["untold"]) > PEOPLE


def test_a_run_takes_the_motion_of_a_moving_camera_out() -> None:
    ids = {}
    for moving in ((), ("a",)):
        camera = CameraConfig(url="a.mp4", name="a", moving=bool(moving))
        session = CameraSession(camera, DeepSort(adapt_scores=False), motion=CameraMotion() if moving else None)
        tracker = MultiCameraTracker([session], LocalIdentityService(IdentityAssociator()))
        seen: set[int] = set()
        for k in range(FRAMES):
            image, boxes = shot(k)
            found = Detections(boxes.astype(np.float32), np.full(PEOPLE, 0.9, np.float32))
            unknown = np.full((PEOPLE, 2), np.nan, np.float32)
            frame = Frame("a", k + 1, k / 10, image)
            (tracks,) = tracker.follow([Observation(frame.info, found, unknown, image)]).step
            seen |= set(tracks.ids.tolist())
        ids[moving] = len(seen)
    assert ids["a",] == PEOPLE
    assert ids[()] > PEOPLE


def test_a_moving_camera_has_no_fixed_floor() -> None:
    floor = {"homography": [[0.01, 0, 0], [0, 0.01, 0], [0, 0, 1]]}
    with pytest.raises(ConfigError, match="moving"):
        load_config(data={"cameras": [{"url": "a.mp4", "moving": True, "ground": floor}]})


def test_camera_motion_needs_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["track", "--cache", "a.npz", "--camera-motion", "--out", str(tmp_path / "o.txt")]) == 2
    assert "--camera-motion needs the pictures" in capsys.readouterr().err
