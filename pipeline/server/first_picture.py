"""One picture of a camera that is not part of the run."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.render.jpeg import SEEN_LIVE, jpeg
from relaytrack.pipeline.sources import create_source

_TIMEOUT = 8.0
_COARSE = 24  # columns of a picture of a site that hides people


def take_picture(config: Config, camera: CameraConfig) -> bytes:
    """Open a camera, take its first picture and close it.

    Args:
        config: the site's settings; where people are hidden, the whole picture is made coarse.
        camera: the camera.

    Returns:
        JPEG.

    Raises:
        SourceError: it does not answer in time.
    """
    camera = camera.model_copy(update={"name": "test"})
    timeout = min(_TIMEOUT, config.input.open_timeout)
    options = config.input.model_copy(update={"open_timeout": timeout, "on_start_failure": "fail"})
    stop = threading.Event()
    source = create_source(camera, options, config.run, started=time.monotonic(), stop=stop)
    closing = threading.Timer(2 * timeout, stop.set)
    closing.daemon = True
    closing.start()
    try:
        source.open()
        frame = next(source.frames(), None)
        if frame is None:
            raise SourceError("the camera gives no picture")
        image = frame.image
    finally:
        closing.cancel()
        stop.set()
        source.close()
    if config.output.anonymise is not None:
        height, width = image.shape[:2]
        small = cv2.resize(image, (_COARSE, max(1, _COARSE * height // width)), interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    return jpeg(image, SEEN_LIVE)
