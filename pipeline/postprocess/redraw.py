"""Drawing the videos of a finished run anew, from its sources and its text."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.postprocess.same_footage import FramesAgain, check_footage
from relaytrack.pipeline.records import Floats, Frame, FrameTracks, Image, Ints, Step
from relaytrack.pipeline.render.annotator import Annotator
from relaytrack.pipeline.render.anonymise import Mode, hide
from relaytrack.pipeline.render.encoder import Encoder, remux
from relaytrack.pipeline.render.hidden_boxes import HiddenBoxes
from relaytrack.pipeline.render.places import places_of
from relaytrack.pipeline.results.folder import writing
from relaytrack.pipeline.results.hidden_rows import forgotten_path, hidden_path
from relaytrack.pipeline.results.identities import read_identities, stored_colors
from relaytrack.pipeline.results.result_names import PARTIAL
from relaytrack.pipeline.results.track_rows import TrackRows
from relaytrack.pipeline.sinks import create_video_sinks
from relaytrack.pipeline.sources import check_source, create_source, create_synchronizer
from relaytrack.pipeline.sources.base import LOG as SOURCES_LOG
from relaytrack.pipeline.sources.synchroniser import FrameSynchronizer

Pairs = Mapping[str, tuple[TrackRows, TrackRows]]
"""Per camera, parallel rows sorted by frame: with track ids and with identities."""


def beside(path: Path) -> Path:
    """Where the successor of a file is made ready."""
    return path.with_name(path.name + PARTIAL)


def replace(paths: Iterable[Path]) -> None:
    """Put every file's successor in its place.

    Raises:
        OutputError: it cannot be put there.
    """
    for path in paths:
        with writing(path):
            os.replace(beside(path), path)


def discard(paths: Iterable[Path]) -> None:
    """Remove successors that were not put in place."""
    for path in paths:
        beside(path).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Book:
    """The lines of one camera, sorted by frame, to look up frame by frame."""

    frames: Ints
    ids: Ints
    global_ids: Ints
    xyxy: Floats
    scores: Floats

    @staticmethod
    def of(own: TrackRows, final: TrackRows) -> _Book:
        """Take the parallel rows of `tracks/` and `global/`."""
        boxes, scores = own.xyxy.astype(np.float32), own.scores.astype(np.float32)
        return _Book(own.frames, own.ids, final.ids, boxes, scores)

    def page(self, frame: Frame) -> FrameTracks:
        """What the lines say of a frame, boxes in pixels of its image."""
        first, end = np.searchsorted(self.frames, (frame.index, frame.index + 1))
        rows = slice(int(first), int(end))
        boxes = self.xyxy[rows] - np.array((*frame.origin, *frame.origin), np.float32)
        return FrameTracks(frame.info, self.ids[rows], self.global_ids[rows], boxes, self.scores[rows])


def check_sources(config: Config, changed: Collection[str]) -> None:
    """See that the sources can be read that the videos of `changed` and the mosaic are drawn from.

    Raises:
        SourceError: one of them is gone, or another recording is in its place.
    """
    cameras = _to_read(config, changed)
    for camera in cameras:
        check_source(camera, config.input, config.run)
    check_footage(config.output.folder, cameras)


def _to_read(config: Config, changed: Collection[str]) -> list[CameraConfig]:
    return [camera for camera in config.cameras if config.output.mosaic or camera.name in changed]


def redraw(
    config: Config,
    changed: Sequence[str],
    pairs: Pairs,
    progress: Callable[[float], None] | None,
    stop: threading.Event,
) -> list[Path]:
    """Read the sources again and draw the videos of `changed` and the mosaic beside the present ones.

    Args:
        config: the run's configuration.
        changed: the cameras to draw.
        pairs: the rows of every camera.
        progress: told the share that is done, 0..1.
        stop: set to give up.

    Returns:
        The paths that now have a successor beside them; after a failure or a stop, none is left there.

    Raises:
        OutputError: a file cannot be written.
        SourceError: a source cannot be read again, or is not the footage of the run any more.
    """
    output = config.output
    folder = output.folder
    cameras = _to_read(config, changed)
    check_footage(folder, cameras)
    books = {camera.name: _Book.of(*pairs[camera.name]) for camera in cameras}
    records = {name: record for name, record in read_identities(folder).cameras.items() if name in books}
    again, total = FramesAgain(records), max(1, sum(record.frames for record in records.values()))
    places = places_of(config)
    colors = stored_colors(folder)
    annotator = Annotator(output.trail, colors=colors, places=places)
    covers = _covers(config, books)

    def encoder(path: Path) -> Encoder:
        return Encoder(beside(path), crf=output.crf, preset=output.preset, fragmented=False)

    names = [camera.name for camera in cameras]
    sinks = create_video_sinks(output, names, encoder, colors=colors, places=places, only=changed)
    drawn_anew = [*changed, "mosaic"] if output.mosaic else changed
    paths = [folder / "video" / f"{name}.mp4" for name in drawn_anew]
    done = 0
    try:
        with _silent_sources(), closing(_open(config, names, stop)) as synchronizer:
            for read in synchronizer:
                frames = again.of_the_run(read)
                if not frames:
                    continue
                tracks = [books[frame.camera].page(frame) for frame in frames]
                images = {
                    frame.camera: _covered(frame, covers[frame.camera], one.xyxy, output.anonymise)
                    for frame, one in zip(frames, tracks, strict=True)
                }
                drawn = {one.frame.camera: annotator.draw(one, images[one.frame.camera]) for one in tracks}
                step = Step.of(tracks, images=images, drawn=drawn)
                for sink in sinks:
                    sink.write(step)
                done += len(frames)
                if progress:
                    progress(min(0.99, done / total))
                if again.over:
                    break
        if stop.is_set():
            raise _StoppedError
        again.check()
        for sink in sinks:
            sink.close()
    except BaseException as error:
        for sink in sinks:
            with suppress(OutputError):  # what went wrong first is told
                sink.close()
        for path in paths:
            beside(path).unlink(missing_ok=True)
        if isinstance(error, _StoppedError):
            return []
        raise
    return [path for path in paths if beside(path).exists()]


_Cover = tuple[HiddenBoxes, Mode]


def _covers(config: Config, names: Iterable[str]) -> dict[str, list[_Cover]]:
    """What stays hidden in each camera: by the configuration, and people who were forgotten."""
    folder = config.output.folder
    covers: dict[str, list[_Cover]] = {name: [] for name in names}
    for name, found in covers.items():
        if config.output.anonymise is not None:
            found.append((HiddenBoxes(hidden_path(folder, name)), config.output.anonymise))
        if forgotten_path(folder, name).exists():
            found.append((HiddenBoxes(forgotten_path(folder, name)), "persons"))
    return covers


def _covered(frame: Frame, covers: Sequence[_Cover], drawn: Floats, anonymise: Mode | None) -> Image:
    """The frame's picture without the people to hide, who may also be in a box of `drawn` (N, 4) that fills a gap."""
    image = frame.image
    for boxes, mode in covers:
        image = hide(image, boxes.of(frame), mode)
    return image if anonymise is None or not len(drawn) else hide(image, drawn, anonymise)


class _StoppedError(Exception):
    """The second pass was told to give up."""


@contextmanager
def _silent_sources() -> Iterator[None]:
    """Keeps the sources quiet: they gave their warnings in the first pass."""

    def nothing(record: logging.LogRecord) -> bool:
        return False

    SOURCES_LOG.addFilter(nothing)
    try:
        yield
    finally:
        SOURCES_LOG.removeFilter(nothing)


def _open(config: Config, names: Sequence[str], stop: threading.Event) -> FrameSynchronizer:
    started = time.monotonic()
    open_source = partial(create_source, options=config.input, run=config.run, started=started, stop=stop)
    sources = [open_source(camera) for camera in config.cameras if camera.name in names]
    synchronizer = create_synchronizer(config, sources, stop=stop)
    synchronizer.start()
    return synchronizer


def make_seekable(folder: Path, names: Sequence[str], redrawn: Sequence[Path], stop: threading.Event) -> list[Path]:
    """Copy the fragmented videos that stay as they are into files with an index, beside them."""
    paths = [folder / "video" / f"{name}.mp4" for name in names]
    copied = []
    try:
        for path in paths:
            if path not in redrawn and path.exists() and not stop.is_set():
                copied.append(path)
                remux(path, beside(path))
    except BaseException:
        for path in (*copied, *redrawn):
            beside(path).unlink(missing_ok=True)
        raise
    return copied
