"""OpenCV works on one thread while runs go on, and gets its threads back after the last one."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import pytest

from relaytrack.pipeline.runtime.cv_threads import opencv_on_one_thread


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    yield
    cv2.setNumThreads(before)


def test_one_thread_while_a_run_goes_on_also_when_it_fails() -> None:
    seen = []

    def run() -> None:
        with opencv_on_one_thread():
            seen.append(cv2.getNumThreads())
            raise ValueError("run")

    with pytest.raises(ValueError, match="run"):
        run()
    assert seen == [1]
    assert cv2.getNumThreads() == 3


def test_the_last_of_several_runs_gives_the_threads_back() -> None:
    first, second = opencv_on_one_thread(), opencv_on_one_thread()
    with first:
        second.__enter__()
    assert cv2.getNumThreads() == 1
    second.__exit__(None, None, None)
    assert cv2.getNumThreads() == 3
