"""How far the camera itself has moved between two pictures: sparse optical flow of the background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.records import Floats

SIDE = 640
"""Pixels of the longer side that pictures are reduced to."""

_CORNERS = 400
_LEAST_INLIERS = 15
_LEAST_SHARE = 0.4


class CameraMotion:
    """Estimates the turn, zoom and shift from each picture of one camera to the next.

    Corners outside the people's boxes are followed (Shi and Tomasi 1994; Bouguet's pyramidal Lucas-Kanade), and a
    similarity is fitted to them by RANSAC. Where too few corners agree, the camera counts as standing.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.uint8] | None = None
        self._corners: Floats = np.zeros((0, 1, 2), np.float32)

    def follow(self, image: NDArray[np.uint8], xyxy: Floats) -> NDArray[np.float64]:
        """Take the next picture.

        Args:
            image: (H, W, 3) uint8 RGB.
            xyxy: (N, 4) boxes of people in it, whose corners are left out for the next picture.

        Returns:
            (2, 3) affine map from the last picture's pixels to this one's; the identity for the first.
        """
        height, width = image.shape[:2]
        scale = min(1.0, SIDE / max(height, width))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
        gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        warp = np.eye(2, 3)
        if self._last is not None and self._last.shape == gray.shape:
            warp = self._fit(gray)
            warp[:, 2] /= scale
        self._last = gray
        self._corners = _corners(gray, np.asarray(xyxy, np.float64) * scale)
        return warp

    def _fit(self, gray: NDArray[np.uint8]) -> NDArray[np.float64]:
        if self._last is None or len(self._corners) < _LEAST_INLIERS:
            return np.eye(2, 3)
        there, found, _ = cv2.calcOpticalFlowPyrLK(self._last, gray, self._corners, np.empty_like(self._corners))
        followed = found.ravel() == 1
        if np.count_nonzero(followed) < _LEAST_INLIERS:
            return np.eye(2, 3)
        fit, inliers = cv2.estimateAffinePartial2D(
            self._corners[followed], there[followed], method=cv2.RANSAC, ransacReprojThreshold=1.5
        )
        agreeing = 0 if fit is None else np.count_nonzero(inliers)
        if agreeing < max(_LEAST_INLIERS, _LEAST_SHARE * np.count_nonzero(followed)):
            return np.eye(2, 3)
        return np.asarray(fit, np.float64)


def _corners(gray: NDArray[np.uint8], xyxy: NDArray[np.float64]) -> Floats:
    """(K, 1, 2) float32 corners outside the boxes."""
    background = np.full(gray.shape, 255, np.uint8)
    for x1, y1, x2, y2 in np.nan_to_num(xyxy).clip(0, max(gray.shape)).astype(int).tolist():
        background[y1 : y2 + 1, x1 : x2 + 1] = 0
    found = cv2.goodFeaturesToTrack(gray, _CORNERS, 0.01, 8, mask=background)
    return np.zeros((0, 1, 2), np.float32) if found is None else np.asarray(found, np.float32)
