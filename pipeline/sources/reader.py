"""Reads one camera into its queue, on a thread of its own."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any

from relaytrack.pipeline.config.urls import redact_url
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.sources.base import Source
from relaytrack.pipeline.sources.camera_queue import CameraQueue
from relaytrack.pipeline.sources.frame_checks import check_frame
from relaytrack.pipeline.sources.frame_grouping import POLL

LOG = logging.getLogger("relaytrack.synchroniser")


class CameraReader:
    """Reads cameras; each call works on one camera, and several may run side by side.

    Args:
        changed: guards all queues and is notified of every change.
        over: says whether the run is over; called with `changed` held.
        on_open: called with `changed` held when a camera was opened.
        max_seconds: time on the run's clock at which a camera ends whose source does not see to that; None: never.
    """

    def __init__(
        self,
        changed: threading.Condition,
        over: Callable[[], bool],
        on_open: Callable[[], None],
        max_seconds: float | None = None,
    ) -> None:
        self._end = math.inf if max_seconds is None else max_seconds
        self._changed = changed
        self._over = over
        self._on_open = on_open

    def open_and_read(self, camera: CameraQueue) -> None:
        """Open one camera by itself; a failure is that camera's alone."""
        try:
            camera.source.open()
        except BaseException as error:
            self._tell(camera, error)
            with self._changed:
                camera.done = camera.failed = True
                self._changed.notify_all()
            close_source(camera.source)
            return
        with self._changed:
            camera.opened = True
            self._on_open()
        self.read(camera)

    def read(self, camera: CameraQueue) -> None:
        """Read an opened camera to its end."""
        end = math.inf if getattr(camera.source, "ends_by_itself", False) else self._end
        try:
            with _closed_at_last(camera.source.frames()) as frames:
                for frame in frames:
                    check_frame(frame, camera.source.name)
                    if frame.time >= end or not self._put(camera, frame):
                        break
        except BaseException as error:  # sys.exit() in a source ends that camera, too
            self._tell(camera, error)
            camera.failed = True
        finally:
            with self._changed:
                camera.done = True
                self._changed.notify_all()

    @staticmethod
    def _tell(camera: CameraQueue, error: BaseException) -> None:
        """Log what ended a camera, without passwords."""
        if isinstance(error, RelayTrackError):
            text = str(error)
            camera.source.stats.error = camera.source.stats.error or text
        else:
            text = redact_url(f"camera {camera.source.name!r}: {type(error).__name__}: {error}")
            camera.source.stats.error = text
        if not camera.gone:
            LOG.error("%s", text)

    def _put(self, camera: CameraQueue, frame: Frame) -> bool:
        """Queue a frame; False when the run, or the camera's part in it, is over."""
        with self._changed:
            while (
                not camera.source.live
                and len(camera.waiting) >= camera.capacity
                and not self._over()
                and not camera.gone
            ):
                self._changed.wait(POLL)
            if self._over() or camera.gone:
                return False
            if camera.paused and camera.source.live:
                return True
            if frame.time <= camera.newest:
                self._leave_out(camera, frame)
                return True
            camera.newest = frame.time
            if camera.full:
                camera.waiting.popleft()
                camera.source.stats.dropped += 1
            camera.waiting.append(frame)
            camera.last = time.monotonic()
            self._changed.notify_all()
            return True

    @staticmethod
    def _leave_out(camera: CameraQueue, frame: Frame) -> None:
        """Pass over a frame that is not later than the one before: trackers need ascending times."""
        stats = camera.source.stats
        stats.broken += 1
        if stats.warning is None:
            stats.warning = f"frames whose time does not ascend are left out, the first at {frame.time:.3f} s"
            LOG.warning("camera %r: %s", camera.source.name, stats.warning)


def close_source(source: Source) -> None:
    """Close a source; one that fails at that is no trouble for anybody else."""
    try:
        source.close()
    except Exception as error:
        LOG.warning("%s", redact_url(f"camera {source.name!r}: close(): {type(error).__name__}: {error}"))


def _closed_at_last(frames: Any) -> AbstractContextManager[Generator[Frame, None, None]]:
    """Closes the frames in the end where they can be closed: any iterable serves."""
    return closing(frames) if hasattr(frames, "close") else nullcontext(frames)
