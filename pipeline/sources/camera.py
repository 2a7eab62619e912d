"""What all kinds of sources share: the region of interest, the rate, the offset and messages that name them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.config.schema import CameraConfig, RunConfig
from relaytrack.pipeline.config.urls import ENCODE_HINT, is_ambiguous, redact_url, shown_address
from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.records import Frame, Image
from relaytrack.pipeline.sources.base import LOG, SourceStats

_MOST_CORNERS = 500  # of a polygon whose sides are compared with each other


@dataclass(slots=True)
class Camera:
    """One camera's settings within a run, and the parts of a source that do not depend on its kind.

    Attributes:
        name: the camera's name.
        address: its address for messages: as configured, `${NAME}` not filled in, without credentials.
        hint: what to try where the address cannot be opened; "" for nothing.
        roi: region of interest (x, y, width, height) in pixels of the full picture, None for all of it.
        max_fps: upper rate of the frames handed out, None for all.
        offset: seconds added to the camera's clock.
        max_seconds: time on the run's clock at which the camera ends, None for never.
        started: `time.monotonic()` of the run's start.
        stop: set when the run is to end.
        stats: counts.
        closed: set when this source is to end.
        zero: seconds since 1970 at the run's time 0; None in a run over recordings.
        places: corners of zones and ends of lines in pixels of the full picture, by what messages call them.
    """

    name: str
    address: str
    roi: tuple[int, int, int, int] | None
    max_fps: float | None
    offset: float
    max_seconds: float | None
    started: float
    stop: threading.Event
    stats: SourceStats = field(default_factory=SourceStats)
    closed: threading.Event = field(default_factory=threading.Event)
    hint: str = ""
    zero: float | None = None
    places: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)

    @staticmethod
    def of(
        config: CameraConfig,
        run: RunConfig,
        *,
        started: float,
        stop: threading.Event,
        address: str | None = None,
        zero: float | None = None,
    ) -> Camera:
        """Take the settings from the configuration; a camera's own `max_fps` goes before `run.fps`.

        `address` is the one that is opened, `${NAME}` filled in; it is looked at and not kept.
        """
        return Camera(
            name=config.name or "camera",
            address=shown_address(config.url),
            roi=config.roi,
            max_fps=config.max_fps or run.fps,
            offset=config.offset,
            max_seconds=run.max_seconds,
            started=started,
            stop=stop,
            places={f"zone {name!r}": corners for name, corners in config.zones.items()}
            | {f"line {name!r}": ends for name, ends in config.lines.items()},
            hint=ENCODE_HINT if is_ambiguous(address or config.url) else "",
            zero=zero,
        )

    @property
    def ended(self) -> bool:
        """Whether the run or this source was told to end."""
        return self.stop.is_set() or self.closed.is_set()

    def error(self, text: str) -> SourceError:
        """An error whose message names the camera, kept in the counts; credentials are removed."""
        message = redact_url(f"camera {self.name!r}: {text}")
        self.stats.error = message
        return SourceError(message)

    def open_error(self, text: str) -> SourceError:
        """An error of opening, which names the address too."""
        hint = f" ({self.hint})" if self.hint else ""
        return self.error(text if self.address in text else f"{text}{hint}: {self.address}")

    def warn(self, text: str) -> None:
        """Log a line that names the camera and keep it in the counts, after earlier ones; credentials are removed.

        What was said already is not said again: a file that is played in a loop has its faults in every round.
        """
        if text in self._warned:
            return
        self._warned.add(text)
        line = redact_url(f"camera {self.name!r}: {text}")
        self.stats.warning = f"{self.stats.warning}; {redact_url(text)}" if self.stats.warning else line
        LOG.warning("%s", line)

    def restate(self, before: str, now: str) -> None:
        """Put a later version of a warning into the counts, without logging it anew."""
        if self.stats.warning:
            self.stats.warning = self.stats.warning.replace(redact_url(before), redact_url(now))

    def rate(self, nominal: float | None) -> float | None:
        """The rate of the frames handed out, of the source's own rate and `max_fps`."""
        rates = [rate for rate in (nominal, self.max_fps) if rate]
        return min(rates) if rates else None

    def view_size(self, full: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of what is handed out of pictures of size `full`.

        Raises:
            SourceError: the region of interest reaches beyond the picture.
        """
        if self.roi is None:
            return full
        x, y, width, height = self.roi
        if x + width > full[0] or y + height > full[1]:
            raise self.error(f"roi {x},{y},{width},{height} reaches beyond the picture of {full[0]} x {full[1]} pixels")
        return width, height

    def check_places(self, full: tuple[int, int], *, say: bool = True) -> None:
        """Compare zones and lines with pictures of size `full`; where some corners are outside, that is a warning.

        Raises:
            SourceError: a zone or a line lies outside altogether, so that nobody can ever be in it.
        """
        x, y, width, height = self.roi or (0, 0, *full)
        what = "picture" if self.roi is None else "region of interest"
        for name, points in self.places.items():
            xs, ys = [point[0] for point in points], [point[1] for point in points]
            if say and crosses_itself(points):
                self.warn(f"{name} crosses itself: its corners are not in order around it")
            text = f"the {what} of {width} x {height} pixels"
            if max(xs) < x or min(xs) > x + width or max(ys) < y or min(ys) > y + height:
                raise self.error(f"{name} lies outside {text}")
            if say and (min(xs) < x or max(xs) > x + width or min(ys) < y or max(ys) > y + height):
                self.warn(f"{name} has corners outside {text}")

    def frame(self, index: int, seconds: float, image: Image, arrived: float | None = None) -> Frame:
        """Cut the region of interest and make the frame; `seconds` is on the run's clock, without offset."""
        origin = (0, 0)
        if self.roi is not None:
            x, y, width, height = self.roi
            origin = (x, y)
            image = np.ascontiguousarray(image[y : y + height, x : x + width])
        arrived = time.monotonic() if arrived is None else arrived
        moment = seconds + self.offset
        epoch = None if self.zero is None else self.zero + moment
        return Frame(self.name, index, moment, image, origin, arrived, epoch)


def crosses_itself(points: Sequence[tuple[float, float]]) -> bool:
    """Whether two sides of a polygon, which do not share a corner, cross each other; O(N^2)."""
    corners = np.array(points, np.float64)
    if not 4 <= len(corners) <= _MOST_CORNERS:
        return False
    begin, end = corners, np.roll(corners, -1, axis=0)
    sides = [_turn(begin[:, None], end[:, None], other[None]) for other in (begin, end)]
    apart = sides[0] * sides[1] < 0  # (N, N): the ends of side j lie on both sides of the line through side i
    return bool((apart & apart.T).any())


def _turn(one: NDArray[np.float64], other: NDArray[np.float64], third: NDArray[np.float64]) -> NDArray[np.float64]:
    """On which side of the line from `one` to `other` a third point lies: the sign."""
    ahead, aside = other - one, third - one
    return np.asarray(np.sign(ahead[..., 0] * aside[..., 1] - ahead[..., 1] * aside[..., 0]))
