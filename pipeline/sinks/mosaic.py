"""`video/mosaic.mp4`: all cameras side by side on one clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.dates import format_time
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.records import FrameTracks, Image, Step
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.render.labels import blend, fitted, pill, text_size
from relaytrack.pipeline.render.painter import Painter
from relaytrack.pipeline.render.places import Places
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.sinks.segments import Segments

_GAP = 4
_GROUND = (24, 27, 33)
_EMPTY = (38, 42, 50)
_PLATE = (14, 17, 23)
_QUIET = (176, 184, 196)


@dataclass(slots=True)
class _Cell:
    """Where one camera stands in the mosaic, and what it shows."""

    x: int
    y: int
    painter: Painter | None = None
    last: float | None = None
    stale: bool = False


class MosaicSink:
    """One picture per time step: each camera's latest frame in a grid.

    A camera without a frame for `stale` seconds turns grey and says since when. The first step's pictures fix
    the size of a cell; other pictures are fitted into it.

    Args:
        path: `DIR/video/mosaic.mp4`.
        cameras: the cameras at the start, in the order of the grid; those that join later stand behind them.
        trail: seconds of path behind a person, in pictures that are scaled: these are drawn at their size in the
            mosaic, so that text stays readable. Others are taken as they were drawn for everybody.
        colors: the identities' colours.
        width: pixels of the whole at the most.
        stale: seconds.
        encoder: opens an encoder for a path.
        segment: seconds per file of a live run; None for one file.

    A camera that joins or leaves changes the grid and begins a new file (`mosaic-2.mp4` of a run over recordings).
    """

    name = "mosaic"
    needs_pixels = True
    needs_drawn = True

    def __init__(
        self,
        path: Path,
        cameras: Sequence[str],
        *,
        trail: float = 2.0,
        colors: IdentityColors | None = None,
        places: Mapping[str, Places] | None = None,
        width: int = 1280,
        stale: float = 2.0,
        encoder: Callable[[Path], Encoder] = Encoder,
        segment: float | None = None,
    ) -> None:
        self._names = list(cameras)
        self._path, self._segment = path, segment
        self._trail, self._colors, self._places = trail, colors, places
        self._width = width
        self._stale = stale
        self._segments = Segments(path, segment)
        self._files = 1
        self._open = encoder
        self._encoder: Encoder | None = None
        self._cells: dict[str, _Cell] = {}
        self._cell = (0, 0)
        self._canvas: Image = np.zeros((0, 0, 3), np.uint8)

    def write(self, step: Step) -> None:
        """Bring the step's cameras up to date and encode the picture.

        Raises:
            OutputError: the file cannot be written.
        """
        shown = [one for one in step if one.frame.camera in self._names and one.frame.camera in step.images]
        if not shown:
            return
        if not self._cells:
            self._lay_out(shown)
        newest = max(shown, key=lambda tracks: tracks.frame.time)
        for tracks in shown:
            self._show(tracks, step)
        for name, cell in self._cells.items():
            if not cell.stale and cell.last is not None and newest.frame.time - cell.last > self._stale:
                self._grey(name, cell)
        path = self._segments.next_path(newest.frame)
        if path is not None:
            if self._encoder is not None:
                self._encoder.close()
            self._encoder = self._open(path)
        assert self._encoder is not None
        self._encoder.write(self._canvas, newest.frame.time)

    def _lay_out(self, shown: Sequence[FrameTracks]) -> None:
        """Fix the grid: the columns that bring the whole nearest to 16:9, cells no larger than the pictures."""
        width = max(tracks.frame.size[0] for tracks in shown)
        height = max(tracks.frame.size[1] for tracks in shown)
        count = len(self._names)

        def misfit(columns: int) -> float:
            aspect = columns * width / (math.ceil(count / columns) * height)
            return abs(math.log(aspect / (16 / 9)))

        columns = min(range(1, count + 1), key=misfit)
        rows = math.ceil(count / columns)
        scale = min(1.0, (self._width - _GAP * (columns - 1)) / (columns * width))
        cell = (max(2, int(width * scale)), max(2, int(height * scale)))
        whole = (columns * cell[0] + (columns - 1) * _GAP, rows * cell[1] + (rows - 1) * _GAP)
        canvas = np.empty((whole[1] + whole[1] % 2, whole[0] + whole[0] % 2, 3), np.uint8)
        canvas[:] = _GROUND
        self._cell, self._canvas = cell, canvas
        for number, name in enumerate(self._names):
            x, y = number % columns * (cell[0] + _GAP), number // columns * (cell[1] + _GAP)
            self._cells[name] = _Cell(x, y)
            self._window(self._cells[name])[:] = _EMPTY
            self._say(self._cells[name], name, ": no picture yet")

    def _window(self, cell: _Cell) -> Image:
        return self._canvas[cell.y : cell.y + self._cell[1], cell.x : cell.x + self._cell[0]]

    def _show(self, tracks: FrameTracks, step: Step) -> None:
        """Put a frame into its cell."""
        cell = self._cells[tracks.frame.camera]
        window = self._window(cell)
        cell.last, cell.stale = tracks.frame.time, False
        image = step.images[tracks.frame.camera]
        height, width = image.shape[:2]
        if (width, height) == self._cell:
            window[:] = step.drawn[tracks.frame.camera]
            return
        scale = min(self._cell[0] / width, self._cell[1] / height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        picture = np.asarray(cv2.resize(image, size, interpolation=kind), np.uint8)
        if cell.painter is None:
            cell.painter = Painter(tracks.frame.camera, trail=self._trail, colors=self._colors, places=self._places)
        cell.painter.draw(picture, tracks, scale)
        left, top = (self._cell[0] - size[0]) // 2, (self._cell[1] - size[1]) // 2
        if size != self._cell:
            window[:] = _EMPTY
        window[top : top + size[1], left : left + size[0]] = picture

    def _grey(self, name: str, cell: _Cell) -> None:
        """Take the colour out of a camera that has nothing new to show."""
        cell.stale = True
        window = self._window(cell)
        grey = window.mean(axis=2, keepdims=True) * 0.55
        window[:] = grey.astype(np.uint8)
        assert cell.last is not None
        since = cell.painter.clock(cell.last) if cell.painter is not None else format_time(cell.last)
        self._say(cell, name, f": no picture since {since}")

    def _say(self, cell: _Cell, name: str, what: str) -> None:
        """Write in the middle of a cell what there is to say of a camera."""
        window, size = self._window(cell), text_size(*self._cell)
        sprite = pill(fitted(name, size, self._cell[0], what), size, _PLATE, _QUIET, 0.8)
        blend(window, sprite, (self._cell[0] - sprite.size[0]) // 2, (self._cell[1] - sprite.size[1]) // 2)

    def _change(self) -> None:
        """Begin anew with another grid, in another file."""
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None
            self._files += 1
        path = self._path if self._segment is not None else self._path.with_stem(f"{self._path.stem}-{self._files}")
        self._segments = Segments(path if self._files > 1 else self._path, self._segment)
        self._cells = {}

    def set_trail(self, seconds: float) -> None:
        """Draw another length of path behind a person; paths begin anew where it differs."""
        if seconds != self._trail:
            self._trail = seconds
            for cell in self._cells.values():
                cell.painter = None

    def resume(self) -> None:
        """After a failure: go on in a new file."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            with suppress(OutputError):
                encoder.close()
        self._change()

    def camera_added(self, camera: CameraConfig) -> None:
        """Make room for the camera."""
        if camera.name not in self._names:
            self._names.append(camera.name)
            self._change()

    def camera_removed(self, name: str) -> None:
        """Close the gap."""
        if name in self._names:
            self._names.remove(name)
            self._change()

    def corrected(self, correction: Correction) -> None:
        """Complete the file, so that a person who is forgotten can be covered in it."""
        if correction.kind == "forget" and self._encoder is not None:
            self._encoder.close()
            self._encoder = None
            self._segments = Segments(self._path, self._segment)

    def close(self) -> None:
        """Complete the file."""
        if self._encoder is not None:
            self._encoder.close()
