"""Cameras: video files, folders of images, RTSP and webcams, all as a `Source` of frames on one clock."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.schema import CameraConfig, Config, InputConfig, RunConfig
from relaytrack.pipeline.config.urls import expand_variables, plain_address, shown_address
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.sources.base import ReadError, Source, SourceStats
from relaytrack.pipeline.sources.camera import Camera
from relaytrack.pipeline.sources.footage import Footage, footage
from relaytrack.pipeline.sources.live import LiveSource
from relaytrack.pipeline.sources.recorded import Reader, RecordedSource, find_reader
from relaytrack.pipeline.sources.streams import check_stream, connect
from relaytrack.pipeline.sources.synchroniser import FrameSynchronizer

__all__ = ["Source", "SourceStats", "check_source", "create_source", "create_synchronizer", "footage_of", "is_live"]

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|webcam:", re.IGNORECASE)


def create_source(
    camera: CameraConfig,
    options: InputConfig,
    run: RunConfig,
    *,
    started: float,
    stop: threading.Event,
    zero: float | None = None,
) -> Source:
    """Build the source that a camera's address asks for; nothing is opened yet.

    A stream that is set to be not live (see `is_live`) is read like a file: no frame is dropped, its own clock
    counts, and it ends when the connection does.

    Args:
        camera: the camera.
        options: how cameras are opened and read.
        run: the run's settings (`live`, `fps`, `max_seconds`).
        started: `time.monotonic()` at which the run's clock is 0.
        stop: set when the run is to end; every source then ends within 2 seconds.
        zero: seconds since 1970 at the run's time 0, for the frames' dates; None in a run over recordings.

    Raises:
        ConfigError: an environment variable in the address is not set.
    """
    address = plain_address(expand_variables(camera.url, camera.name))
    settings = Camera.of(camera, run, started=started, stop=stop, address=address, zero=zero)
    live = is_live(camera, run)
    if _is_file(address) and camera.confined:
        raise ConfigError(f"camera {camera.name!r}: confined cameras have an address, and are no files")
    if _is_file(address):
        return RecordedSource(settings, _finder(address, camera, options), live=live, loop=camera.loop)
    reach = partial(
        connect,
        address,
        camera.transport or options.transport,
        options,
        live=live,
        pixel_aspect=camera.pixel_aspect,
        fps=camera.fps,
        confined=camera.confined,
    )
    if live:
        return LiveSource(settings, reach, options)
    return RecordedSource(settings, lambda: (reach(), None), live=False)


def create_synchronizer(
    config: Config, sources: Sequence[Source], *, stop: threading.Event, until_stopped: bool = False
) -> FrameSynchronizer:
    """What reads the cameras on one clock, as configured.

    Args:
        config: the whole configuration; `sync`, `input` and `run.max_seconds` matter.
        sources: the cameras of the start.
        stop: set when the run is to end.
        until_stopped: go on when all sources have ended.
    """
    return FrameSynchronizer(
        sources,
        window=config.sync.window,
        max_wait=config.sync.max_wait,
        queue=config.input.queue,
        stop=stop,
        open_timeout=config.input.open_timeout + 1.0,
        until_stopped=until_stopped,
        max_seconds=config.run.max_seconds,
    )


def check_source(camera: CameraConfig, options: InputConfig, run: RunConfig) -> tuple[int, int] | None:
    """Open a camera that is a file or folder and close it again; of a stream only the address is looked at.

    Returns:
        (width, height) of its pictures in pixels, before the region of interest is cut out; None for a stream.

    Raises:
        ConfigError: an environment variable in the address is not set.
        SourceError: it cannot be opened, the region of interest reaches beyond its pictures, or the address of a
            stream cannot be one.
    """
    address = plain_address(expand_variables(camera.url, camera.name))
    settings = Camera.of(camera, run, started=0.0, stop=threading.Event(), address=address)
    try:
        if not _is_file(address):
            check_stream(address)
            return None
        reader, _ = _finder(address, camera, options)()
        try:
            reader.open()
        finally:
            reader.close()
    except ReadError as error:
        raise settings.open_error(str(error)) from None
    settings.view_size(reader.size)
    settings.check_places(reader.size, say=False)
    return reader.size


def footage_of(camera: CameraConfig, like: Mapping[str, Any] | None = None) -> Footage | None:
    """What tells the footage of a camera from another one; None of a stream, and of what cannot be read.

    Args:
        camera: the camera.
        like: what was found earlier; see `footage`.

    Raises:
        ConfigError: an environment variable in the address is not set.
    """
    address = plain_address(expand_variables(camera.url, camera.name))
    return footage(Path(address), like) if _is_file(address) else None


def is_live(camera: CameraConfig, run: RunConfig) -> bool:
    """Whether a camera is treated as live.

    `run.live` goes before the camera's own `live`, which goes before what the address says (RTSP and webcams
    are live, files are not).
    """
    if run.live is not None:
        return run.live
    return camera.is_live_url if camera.live is None else camera.live


def _finder(address: str, camera: CameraConfig, options: InputConfig) -> Callable[[], tuple[Reader, str | None]]:
    """Return the function that finds the reader of a file or folder; see `find_reader`."""
    path = Path(address)
    return partial(
        find_reader, path, shown_address(camera.url), options, fps=camera.fps, pixel_aspect=camera.pixel_aspect
    )


def _is_file(address: str) -> bool:
    return not _ADDRESS.match(address)
