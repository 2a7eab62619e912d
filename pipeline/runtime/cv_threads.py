"""OpenCV on one thread while runs go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_changing = threading.Lock()
_running = 0  # runs that want one thread at present
_before = 0  # threads that OpenCV had before the first of them


@contextmanager
def opencv_on_one_thread() -> Iterator[None]:
    """Let OpenCV work on one thread meanwhile; the last of several runs at the same time gives it its threads back.

    The stages of a run work side by side, so the cores are busy already. A picture that OpenCV divides among its own
    threads waits for a core at each end, and its threads spin while they wait: resizing a picture of 576 x 352 pixels
    took twice as long with two threads on two cores as with one. Results are the same.
    """
    global _running, _before
    with _changing:
        if _running == 0:
            _before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _running += 1
    try:
        yield
    finally:
        with _changing:
            _running -= 1
            if _running == 0:
                cv2.setNumThreads(_before)
