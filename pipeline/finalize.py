"""The second pass over files: everything that carries provisional identities is replaced by the final version.

Text is rewritten from `tracks/`, videos are drawn anew from the sources. Each file is first completed beside the
one it replaces, and only when all are ready do they take their places, each in one atomic step.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.batcher import Batcher
from pipeline.config import Config
from pipeline.earlier import Earlier, EarlierBoxes
from pipeline.errors import OutputError
from pipeline.frames import Floats, Frame, FrameTracks, Ints
from pipeline.outdir import PARTIAL, write_bytes, writing
from pipeline.sinks.annotate import Annotator
from pipeline.sinks.base import Sink
from pipeline.sinks.encoder import Encoder, remux
from pipeline.sinks.events import append_final_revisions
from pipeline.sinks.identities import NAME, read_identities, write_identities
from pipeline.sinks.mosaic import MosaicSink
from pipeline.sinks.mot import mot_line
from pipeline.sinks.privacy import FOLDER, HiddenBoxes, veiled
from pipeline.sinks.video import VideoSink
from pipeline.sources import create_source

FinalIds = Mapping[tuple[str, int], int]
"""(camera, track id) -> final identity."""


def finalize(
    config: Config,
    final_ids: FinalIds,
    earlier: Earlier | None = None,
    *,
    progress: Callable[[float], None] | None = None,
    stop: threading.Event | None = None,
) -> bool:
    """Bring the outputs of a finished run over files to their final identities.

    A camera whose drawn identities are the final ones already keeps its video; if that holds for all cameras,
    so does the mosaic.

    Args:
        config: the run's configuration.
        final_ids: the identity of every track; a track that is not in it keeps its provisional one.
        earlier: boxes of tracks from before they were confirmed, to be filled in.
        progress: told the share that is done, 0..1.
        stop: set to give up; the provisional files then stay as they are.

    Returns:
        Whether all outputs are final now.

    Raises:
        OutputError: a file cannot be written; the provisional files stay.
        SourceError: a source cannot be read again.
    """
    stop = stop or threading.Event()
    folder = Path(config.output.dir)
    names = [camera.name for camera in config.cameras]
    texts = {name: _final_text(folder, name, final_ids, (earlier or {}).get(name)) for name in names}
    changed = [name for name in names if texts[name].identities != _read(folder / "global" / f"{name}.txt")]
    videos: list[Path] = []
    try:
        if config.output.video:
            if changed:
                videos = _redraw(config, changed, texts, progress, stop)
            videos += _make_seekable(folder, [name for name in (*names, "mosaic")], videos, stop)
        if stop.is_set():
            return False
        for name in changed:
            write_bytes(folder / "tracks" / f"{name}.txt", texts[name].tracks)
            write_bytes(folder / "global" / f"{name}.txt", texts[name].identities)
        for path in videos:
            with writing(path):
                os.replace(_beside(path), path)
        videos = []
        if (folder / NAME).exists():
            known = read_identities(folder)
            final = [(record, final_ids.get((record.camera, record.track), old)) for record, old in known.tracks]
            write_identities(folder, known.cameras, final)
            changes = [
                (record.camera, record.track, old, new)
                for (record, old), (_, new) in zip(known.tracks, final, strict=True)
                if old != new
            ]
            append_final_revisions(folder, changes, max((track.last for track, _ in final), default=0.0))
    finally:
        for path in videos:
            _beside(path).unlink(missing_ok=True)
    for name in names:  # it has done its work
        (folder / FOLDER / f"{name}.txt").unlink(missing_ok=True)
    with suppress(OSError):
        (folder / FOLDER).rmdir()
    if progress:
        progress(1.0)
    return True


def _beside(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL)


def _read(path: Path) -> bytes:
    with writing(path, "read"):
        return path.read_bytes()


@dataclass(frozen=True, slots=True)
class _Text:
    """The final lines of one camera, in the order of frames: `tracks/` and `global/`, and both in parallel."""

    tracks: bytes
    identities: bytes
    pairs: tuple[bytes, bytes]


def _final_text(folder: Path, camera: str, final_ids: FinalIds, earlier: EarlierBoxes | None) -> _Text:
    """The lines of `tracks/<camera>.txt` with final identities, earlier boxes filled in.

    In `global/` an identity stands at most once in a frame: of two tracks found to be one person the surer box
    stays, and an earlier box enters only where its identity is not in that frame already.
    """
    own = _read(folder / "tracks" / f"{camera}.txt").splitlines(keepends=True)
    drawn = _read(folder / "global" / f"{camera}.txt").splitlines(keepends=True)
    if len(own) != len(drawn):
        raise OutputError(f"{folder}: tracks/{camera}.txt and global/{camera}.txt do not belong together")
    rows: list[tuple[int, bytes, bytes]] = []
    taken: set[tuple[int, int]] = set()
    tracks: list[tuple[int, bytes]] = []
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for line, provisional in zip(own, drawn, strict=True):
        frame, track, rest = line.split(b",", 2)
        identity = final_ids.get((camera, int(track)), int(provisional.split(b",", 2)[1]))
        tracks.append((int(frame), line))
        score, twin = float(rest.split(b",")[4]), best.get((int(frame), identity))
        row = (int(frame), line, b"%s,%d,%s" % (frame, identity, rest))
        if twin is None:
            best[int(frame), identity] = (score, len(rows))
            rows.append(row)
        elif score > twin[0]:  # two boxes of one person: the surer one stays
            best[int(frame), identity] = (score, twin[1])
            rows[twin[1]] = row
    taken.update(best)
    if earlier is not None:
        frames, ids, boxes, scores = earlier.rows()
        for frame_number, track_id, box, score in zip(frames.tolist(), ids.tolist(), boxes, scores, strict=True):
            line = mot_line(frame_number, track_id, box, float(score))
            tracks.append((frame_number, line))
            known = final_ids.get((camera, track_id))
            if known is not None and (frame_number, known) not in taken:
                taken.add((frame_number, known))
                rows.append((frame_number, line, mot_line(frame_number, known, box, float(score))))
    rows.sort(key=lambda row: row[0])
    tracks.sort(key=lambda row: row[0])
    pairs = (b"".join(row[1] for row in rows), b"".join(row[2] for row in rows))
    return _Text(b"".join(line for _, line in tracks), pairs[1], pairs)


@dataclass(frozen=True, slots=True)
class _Book:
    """The lines of one camera as arrays, sorted by frame, to look up frame by frame."""

    frames: Ints
    ids: Ints
    global_ids: Ints
    xyxy: Floats
    scores: Floats

    @staticmethod
    def of(own: bytes, final: bytes) -> _Book:
        """Read the text of `tracks/` and `global/`, whose lines are parallel."""
        table = _table(own)
        boxes = table[:, 2:6].copy()
        boxes[:, 2:] += boxes[:, :2]
        return _Book(
            table[:, 0].astype(np.int64),
            table[:, 1].astype(np.int64),
            _table(final)[:, 1].astype(np.int64),
            boxes.astype(np.float32),
            table[:, 6].astype(np.float32),
        )

    def page(self, frame: Frame) -> FrameTracks:
        """What the lines say of a frame, boxes in pixels of its image."""
        first, end = np.searchsorted(self.frames, (frame.index, frame.index + 1))
        rows = slice(int(first), int(end))
        boxes = self.xyxy[rows] - np.array((*frame.origin, *frame.origin), np.float32)
        return FrameTracks(frame, self.ids[rows], self.global_ids[rows], boxes, self.scores[rows])


def _table(text: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    values = np.array(text.replace(b"\n", b",").split(b",")[:-1], dtype=np.float64)
    return values.reshape(-1, 10)


def _redraw(
    config: Config,
    changed: Sequence[str],
    texts: Mapping[str, _Text],
    progress: Callable[[float], None] | None,
    stop: threading.Event,
) -> list[Path]:
    """Read the sources again and draw the videos of `changed` and the mosaic beside the present ones.

    Returns:
        The paths that now have a successor beside them; after a failure or a stop, none is left there.
    """
    output = config.output
    folder = Path(output.dir)
    cameras = [camera for camera in config.cameras if output.mosaic or camera.name in changed]
    books = {camera.name: _Book.of(*texts[camera.name].pairs) for camera in cameras}
    total = max(1, sum(record.frames for name, record in read_identities(folder).cameras.items() if name in books))
    annotator = Annotator(output.trail)
    veils = {name: HiddenBoxes(folder / FOLDER / f"{name}.txt") for name in books if output.blur is not None}

    def encoder(path: Path) -> Encoder:
        return Encoder(_beside(path), crf=output.crf, preset=output.preset, fragmented=False)

    videos = folder / "video"
    sinks: list[Sink] = [VideoSink(videos, changed, annotator, encoder)]
    paths = [videos / f"{name}.mp4" for name in changed]
    if output.mosaic:
        path = videos / "mosaic.mp4"
        names = [camera.name for camera in cameras]
        sinks.append(MosaicSink(path, names, annotator, width=output.mosaic_width, encoder=encoder))
        paths.append(path)
    done = 0
    try:
        with closing(_open(config, [camera.name for camera in cameras], stop)) as batcher:
            for frames in batcher:
                step = tuple(books[frame.camera].page(frame) for frame in frames)
                if output.blur is not None:
                    step = tuple(veiled(seen, veils[seen.frame.camera].of(seen.frame), output.blur) for seen in step)
                for sink in sinks:
                    sink.write(step)
                done += len(frames)
                if progress:
                    progress(min(0.99, done / total))
        for sink in sinks:
            sink.close()
        if stop.is_set():
            raise _Stopped
    except BaseException as error:
        for sink in sinks:
            sink.close()
        for path in paths:
            _beside(path).unlink(missing_ok=True)
        if isinstance(error, _Stopped):
            return []
        raise
    return [path for path in paths if _beside(path).exists()]


class _Stopped(Exception):
    """The second pass was told to give up."""


def _open(config: Config, names: Sequence[str], stop: threading.Event) -> Batcher:
    started = time.monotonic()
    open_source = partial(create_source, options=config.input, run=config.run, started=started, stop=stop)
    batcher = Batcher(
        [open_source(camera) for camera in config.cameras if camera.name in names],
        window=config.batch.window,
        max_wait=config.batch.max_wait,
        queue=config.input.queue,
        stop=stop,
    )
    batcher.start()
    return batcher


def _make_seekable(folder: Path, names: Sequence[str], redrawn: Sequence[Path], stop: threading.Event) -> list[Path]:
    """Copy the fragmented videos that stay as they are into files with an index, beside them."""
    paths = [folder / "video" / f"{name}.mp4" for name in names]
    copied = []
    try:
        for path in paths:
            if path not in redrawn and path.exists() and not stop.is_set():
                copied.append(path)
                remux(path, _beside(path))
    except BaseException:
        for path in (*copied, *redrawn):
            _beside(path).unlink(missing_ok=True)
        raise
    return copied
