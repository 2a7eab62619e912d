"""Six calibrated, overlapping views (MultiviewX): feet in metres, and identities by boxes alone."""

import json
import tarfile
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from relaytrack.trackers import CameraTracks, GroundPlane, IdentityAssociator

CAMERAS = range(1, 7)


def matrix(text, tag):
    node = ET.fromstring(text).find(tag)
    shape = int(node.find("rows").text), int(node.find("cols").text)
    return np.array(node.find("data").text.split(), float).reshape(shape)


@pytest.fixture(scope="module")
def scene(shared):
    """Ground planes by camera and, per frame, (person, place in metres, six boxes or None)."""
    parts = {}
    with tarfile.open(shared / "data" / "mtmc" / "multiviewx.tar.xz") as archive:
        for member in archive:
            if member.name.endswith((".xml", ".json")):
                parts[member.name.split("/", 1)[1]] = archive.extractfile(member).read().decode()
    planes = {}
    for camera in CAMERAS:
        inner = parts[f"calibrations/intrinsic/intr_Camera{camera}.xml"]
        outer = parts[f"calibrations/extrinsic/extr_Camera{camera}.xml"]
        planes[f"C{camera}"] = GroundPlane.from_calibration(
            matrix(inner, "camera_matrix"),
            matrix(outer, "rvec"),
            matrix(outer, "tvec"),
            matrix(inner, "distortion_coefficients").ravel(),
        )
    frames = []
    for name in sorted(name for name in parts if name.startswith("annotations")):
        people = []
        for entry in json.loads(parts[name]):
            north, east = divmod(entry["positionID"], 1000)
            boxes = [[view[key] for key in ("xmin", "ymin", "xmax", "ymax")] for view in entry["views"]]
            people.append((entry["personID"], (0.025 * east, 0.025 * north), boxes))
        frames.append(people)
    return planes, frames


@pytest.mark.needs("shared")
def test_feet_meet_the_annotated_places(scene):
    planes, frames = scene
    errors = []
    for people in frames:
        for _, place, boxes in people:
            for camera, box in zip(CAMERAS, boxes, strict=True):
                if box[0] >= 0:
                    errors.append(np.linalg.norm(planes[f"C{camera}"].feet([box])[0] - place))
    assert len(errors) > 1000
    assert np.median(errors) < 0.1
    assert np.percentile(errors, 95) < 0.2


@pytest.mark.needs("shared")
def test_boxes_alone_give_one_identity_over_six_views(scene):
    planes, frames = scene
    run = IdentityAssociator(calibrations=planes)
    rows = []
    for step, people in enumerate(frames):
        views = []
        for index, camera in enumerate(CAMERAS):
            seen = [(person, boxes[index]) for person, _, boxes in people if boxes[index][0] >= 0]
            ids = np.array([person + 1 for person, _ in seen], np.int64)
            boxes = np.array([box for _, box in seen], np.float32)
            ones, nothing = np.ones(len(ids), np.float32), np.zeros((len(ids), 0), np.float32)
            views.append(CameraTracks(f"C{camera}", step / 2, ids, boxes, ones, nothing, image_size=(1920, 1080)))
            rows += [(f"C{camera}", int(track)) for track in ids]
        run.update(views)
    final = run.finalize()
    truth = np.array([track for _, track in rows])
    found = np.array([final[row] for row in rows])
    table = np.zeros((truth.max() + 1, found.max() + 1))
    np.add.at(table, (truth, found), 1)
    people, identities = linear_sum_assignment(table, maximize=True)
    assert table[people, identities].sum() / len(rows) >= 0.95
