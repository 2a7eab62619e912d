"""Crops of the people of a finished run, cut from its recordings again: for `relaytrack reid adapt`."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.errors import InputError, RelayTrackError
from relaytrack.pipeline.postprocess.finished_run import config_of
from relaytrack.pipeline.results.folder import make_folder, write_bytes
from relaytrack.pipeline.results.run_data import load_run
from relaytrack.pipeline.results.track_rows import TrackRows
from relaytrack.pipeline.sources import check_source, create_source

PER_TRACK = 24
"""Crops of one track, spread over its life: neighbours in time look alike and teach nothing."""
MIN_HEIGHT = 32

log = logging.getLogger(__name__)


def cut_crops(run: Path, target: Path, *, per_track: int = PER_TRACK) -> int:
    """Cut the tracks of a run out of its recordings and write them as JPEG files.

    Cameras whose recording cannot be read any more, and live ones, are left out. So is every camera of a run that
    hid people (`output.anonymise`): their pictures must not be cut out. People whom
    `relaytrack forget` has removed have no tracks any more.

    Args:
        run: folder of the run.
        target: folder for the crops; made here, for the user alone.
        per_track: crops of one track at most.

    Returns:
        How many were written.

    Raises:
        InputError: the folder is no run.
        OutputError: the crops cannot be written.
    """
    data = load_run(run)
    try:
        config = config_of(run, data)
    except InputError:
        log.warning("%s: its settings are of another version; only its crops are taken", run)
        return 0
    if config.output.anonymise is not None:
        log.warning("%s: its people are hidden (output.anonymise); nothing is cut from its recordings", run)
        return 0
    make_folder(target)
    return sum(_camera(run, camera, config, target, per_track) for camera in config.cameras)


def _camera(run: Path, camera: CameraConfig, config: Config, target: Path, per_track: int) -> int:
    tracks = run / "tracks" / f"{camera.name}.txt"
    stop = threading.Event()
    count = 0
    try:
        if not tracks.is_file() or check_source(camera, config.input, config.run) is None:
            return 0
        wanted = _chosen(TrackRows.parse(tracks.read_bytes()), per_track)
        source = create_source(camera, config.input, config.run, started=time.monotonic(), stop=stop)
        source.open()
        with closing(source.frames()) as frames:
            for frame in frames:
                for track, corners in wanted.pop(frame.index, ()):
                    x0, y0 = np.floor(corners[:2] - frame.origin).astype(int).clip(0)
                    x1, y1 = np.ceil(corners[2:] - frame.origin).astype(int).clip(0)
                    crop = frame.image[y0:y1, x0:x1]
                    if crop.shape[0] < MIN_HEIGHT or crop.shape[1] < MIN_HEIGHT // 4:
                        continue
                    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
                    name = f"{camera.name}_{track}_{frame.index}.jpg"
                    write_bytes(target / name, encoded.tobytes(), durable=False)
                    count += 1
                if not wanted:
                    break
    except RelayTrackError as error:
        log.warning("%s: nothing more is cut from camera %s: %s", run, camera.name, error)
    finally:
        stop.set()
    return count


def _chosen(rows: TrackRows, per_track: int) -> dict[int, list[tuple[int, NDArray[np.float64]]]]:
    """(track id, corners) by frame: of each track some boxes, evenly spread."""
    found: dict[int, list[tuple[int, NDArray[np.float64]]]] = {}
    for track in np.unique(rows.ids).tolist():
        own = np.flatnonzero(rows.ids == track)
        places = np.linspace(0, len(own) - 1, min(per_track, len(own))).round().astype(int)
        for at in own[np.unique(places)]:
            found.setdefault(int(rows.frames[at]), []).append((track, rows.xyxy[at]))
    return found
