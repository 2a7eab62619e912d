"""What a run says once about how closely each camera is looked at."""

from __future__ import annotations

import io

import numpy as np

from relaytrack.pipeline.cli.progress import PlainProgress
from relaytrack.pipeline.perception.detectors.sizes import Sight
from relaytrack.pipeline.records import Detections, FrameInfo, FrameTracks
from relaytrack.pipeline.runtime.summary import Summary


def nobody(camera: str, width: int, height: int) -> FrameTracks:
    none = np.zeros(0, np.int64)
    boxes = np.zeros((0, 4), np.float32)
    frame = FrameInfo(camera, 1, 0.0, (width, height))
    return FrameTracks(frame, none, none, boxes, boxes[:, 0], Detections.empty(), boxes)


def test_the_screen_says_once_per_camera_how_small_people_may_be() -> None:
    summary = Summary(["street", "door"], lambda width, height: Sight(width // 2, height // 10))
    stream = io.StringIO()
    progress = PlainProgress(stream)
    summary.add([nobody("street", 1920, 1080)])
    progress.step(summary, {})
    summary.add([nobody("street", 1920, 1080), nobody("door", 640, 480)])
    progress.step(summary, {})
    progress.step(summary, {})
    assert stream.getvalue().splitlines() == [
        "camera street: people are found from about 108 pixels of height on (detector.image_size 960)",
        "camera door: people are found from about 48 pixels of height on (detector.image_size 320)",
    ]


def test_a_detector_that_does_not_know_says_nothing() -> None:
    summary = Summary(["street"])
    stream = io.StringIO()
    summary.add([nobody("street", 1920, 1080)])
    PlainProgress(stream).step(summary, {})
    assert (summary.cameras["street"].sight, stream.getvalue()) == (None, "")
