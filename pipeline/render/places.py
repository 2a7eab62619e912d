"""Zones and lines of a camera, drawn into its pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.records import Image
from relaytrack.pipeline.render.labels import blend, fitted, pill

_INK = (255, 255, 255)
_EDGE = (20, 22, 26)
_PLATE = (14, 17, 23)
_ARROW = 1.2  # length of a line's arrow, in heights of the text
_FARTHEST = 1e6  # pixels; corners farther out are drawn there


@dataclass(frozen=True, slots=True)
class Places:
    """What is drawn of one camera's zones and lines.

    Attributes:
        zones: name -> (M, 2) corners in pixels of the source's full picture.
        lines: name -> (2, 2) first and second point; the arrow points to where "forward" leads.
    """

    zones: Mapping[str, NDArray[np.float64]]
    lines: Mapping[str, NDArray[np.float64]]

    @staticmethod
    def of(camera: CameraConfig) -> Places:
        """Those of a camera's configuration."""
        return Places(
            {name: np.array(corners, np.float64) for name, corners in camera.zones.items()},
            {name: np.array(ends, np.float64) for name, ends in camera.lines.items()},
        )

    def draw(self, image: Image, origin: Sequence[float], scale: float, shift: Sequence[float], size: int) -> None:
        """Draw on a picture, in place.

        Args:
            image: (H, W, 3) uint8 RGB.
            origin: (x, y) of the frame's top left pixel in the source's full picture.
            scale: size of `image`'s content relative to the frame.
            shift: (x, y) of the content's top left pixel in `image`.
            size: height of the text in pixels.
        """

        def placed(points: NDArray[np.float64]) -> NDArray[np.float64]:
            moved: NDArray[np.float64] = (points - origin) * scale + shift
            return np.clip(moved, -_FARTHEST, _FARTHEST)

        width = max(2, size // 8)
        for name, corners in self.zones.items():
            points = placed(corners)
            _stroke(image, points, closed=True, width=width)
            _name(image, name, points.mean(axis=0), size)
        for name, ends in self.lines.items():
            points = placed(ends)
            _stroke(image, points, closed=False, width=width)
            middle, along = points.mean(axis=0), points[1] - points[0]
            forward = np.array((-along[1], along[0])) / max(float(np.linalg.norm(along)), 1e-9)
            tip = middle + _ARROW * size * forward
            aside = np.array((forward[1], -forward[0]))
            wings = [tip - 0.4 * size * (forward + turn * aside) for turn in (1, -1)]
            _stroke(image, np.stack((middle, tip)), closed=False, width=width)
            _stroke(image, np.stack((wings[0], tip, wings[1])), closed=False, width=width)
            _name(image, name, middle - 1.2 * size * forward, size)


def places_of(config: Config, cameras: Iterable[CameraConfig] | None = None) -> dict[str, Places]:
    """The zones and lines to draw, by camera; none where `output.zones` is off.

    Args:
        config: the whole configuration.
        cameras: these cameras in place of the configuration's.
    """
    if not config.output.zones:
        return {}
    cameras = config.cameras if cameras is None else cameras
    return {camera.name: Places.of(camera) for camera in cameras if camera.zones or camera.lines}


def _stroke(image: Image, points: NDArray[np.float64], *, closed: bool, width: int) -> None:
    path = [np.rint(points).astype(np.int32)]
    cv2.polylines(image, path, closed, _EDGE, width + 2, cv2.LINE_AA)
    cv2.polylines(image, path, closed, _INK, width, cv2.LINE_AA)


def _name(image: Image, text: str, middle: NDArray[np.float64], size: int) -> None:
    """A plate with the name about `middle`, moved into the picture; one that is wider than it is cut short."""
    plate = pill(fitted(text, size, image.shape[1]), size, _PLATE, _INK, 0.5)
    limits = np.array((image.shape[1], image.shape[0])) - plate.size
    x, y = np.clip(np.rint(middle - np.array(plate.size) / 2), 0, np.maximum(limits, 0)).astype(int).tolist()
    blend(image, plate, x, y)
