"""MultiviewX: six calibrated overlapping views of one square, with identities and places on the floor.

Hou et al., "Multiview detection with feature perspective transformation", ECCV 2020.

Its folder becomes what RelayTrack reads: ground truth per camera, a configuration with every camera's calibration,
and a second one that takes the annotated boxes for detections.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from relaytrack.pipeline.errors import InputError
from relaytrack.trackers import GroundPlane
from relaytrack.trackers.evaluation import rows_from_arrays, write_mot
from relaytrack.trackers.textfile import read_text

Floats = NDArray[np.float64]

VIEWS = 6
RATE = 2.0
"""Frames per second."""
CELL = 0.025
"""Metres between the places that `positionID` counts, a thousand to a row."""
ROW = 1000
SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, slots=True)
class Scene:
    """The annotations and calibrations of a MultiviewX folder.

    Attributes:
        root: the folder.
        calibrations: camera name -> its `ground` section of a configuration.
        view: (N,) number of each annotated box's camera, from 0.
        frame: (N,) its frame, from 1.
        person: (N,) its identity, from 1.
        xyxy: (N, 4) the box, pixels.
        place: (N, 2) where the person stands, metres.
    """

    root: Path
    calibrations: dict[str, dict[str, Any]]
    view: NDArray[np.int64]
    frame: NDArray[np.int64]
    person: NDArray[np.int64]
    xyxy: Floats
    place: Floats

    @property
    def cameras(self) -> list[str]:
        """The cameras' names."""
        return list(self.calibrations)

    def feet_errors(self) -> Floats:
        """(N,) metres between the projected feet of each box and where the person stands."""
        errors = np.empty(len(self.view))
        for number, calibration in enumerate(self.calibrations.values()):
            rows = self.view == number
            feet = GroundPlane.from_mapping(calibration).feet(self.xyxy[rows])
            errors[rows] = np.linalg.norm(feet - self.place[rows], axis=1)
        return errors

    def write(self, out: Path) -> tuple[Path, Path]:
        """Write `truth/CAMERA.txt` and the two configurations into `out`.

        Returns:
            The configuration that detects people, and the one that reads the annotated boxes.
        """
        cameras = []
        truth = out / "truth"
        truth.mkdir(parents=True, exist_ok=True)
        for number, (name, calibration) in enumerate(self.calibrations.items()):
            rows = self.view == number
            write_mot(truth / f"{name}.txt", rows_from_arrays(self.frame[rows], self.person[rows], self.xyxy[rows]))
            url = self.root.resolve() / "Image_subsets" / name
            cameras.append({"name": name, "url": str(url), "fps": RATE, "ground": calibration})
        detected, annotated = out / "detected.yaml", out / "annotated.yaml"
        detected.write_text(yaml.safe_dump({"cameras": cameras}, sort_keys=False))
        for camera in cameras:
            camera["detections"] = str((truth / f"{camera['name']}.txt").resolve())
        written = {"cameras": cameras, "detector": {"backend": "file"}}
        annotated.write_text(yaml.safe_dump(written, sort_keys=False))
        return detected, annotated


def load_scene(root: Path) -> Scene:
    """Read the calibrations and annotations of a MultiviewX folder (`Image_subsets/C1` to `C6` beside them).

    Raises:
        InputError: a file is missing or not of that form; names it.
    """
    calibrations = {f"C{view + 1}": _calibration(root, view + 1) for view in range(VIEWS)}
    files = sorted((root / "annotations_positions").glob("*.json"))
    if not files:
        raise InputError(f"{root}: no annotations_positions/*.json: not a MultiviewX folder")
    rows = [row for number, file in enumerate(files, 1) for row in _people(file, number)]
    if not rows:
        raise InputError(f"{root}: the annotations hold no person")
    table = np.array(rows, float)
    view, frame, person = table[:, :3].astype(np.int64).T
    return Scene(root, calibrations, view, frame, person, table[:, 3:7], table[:, 7:])


def _people(file: Path, frame: int) -> list[list[float]]:
    """One row per box of a frame: view, frame, person, box, place."""
    rows = []
    try:
        people = json.loads(read_text(file))
        if not isinstance(people, list):
            raise TypeError("no list of people")
        for entry in people:
            along, across = divmod(entry["positionID"], ROW)
            for number, view in enumerate(entry["views"]):
                box = [view[side] for side in SIDES]
                if box[0] >= 0:  # -1 for who is not in the picture
                    rows.append([number, frame, entry["personID"] + 1, *box, CELL * across, CELL * along])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: not an annotation of MultiviewX ({type(error).__name__}: {error})") from None
    return rows


def _calibration(root: Path, camera: int) -> dict[str, Any]:
    inner = root / "calibrations" / "intrinsic" / f"intr_Camera{camera}.xml"
    outer = root / "calibrations" / "extrinsic" / f"extr_Camera{camera}.xml"
    return {
        "camera_matrix": _matrix(inner, "camera_matrix").tolist(),
        "distortion": _matrix(inner, "distortion_coefficients").ravel().tolist(),
        "rotation": _matrix(outer, "rvec").ravel().tolist(),
        "translation": _matrix(outer, "tvec").ravel().tolist(),
    }


def _matrix(file: Path, name: str) -> Floats:
    """A matrix of a file that OpenCV's FileStorage wrote as XML."""
    try:
        node = ET.parse(file).getroot().find(name)
        if node is None:
            raise ValueError(f"no {name}")
        rows, columns = int(node.findtext("rows", "")), int(node.findtext("cols", ""))
        return np.array(node.findtext("data", "").split(), float).reshape(rows, columns)
    except OSError as error:
        raise InputError(f"{file}: not a calibration of MultiviewX: {error.strerror}") from None
    except (ET.ParseError, ValueError) as error:
        raise InputError(f"{file}: not a calibration of MultiviewX ({error})") from None
