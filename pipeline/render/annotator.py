"""The drawn pictures that the video sinks share, so that nothing is drawn twice."""

from __future__ import annotations

from collections.abc import Mapping

from relaytrack.pipeline.clock import WallClock
from relaytrack.pipeline.records import FrameTracks, Image
from relaytrack.pipeline.render.painter import Painter
from relaytrack.pipeline.render.palette import IdentityColors
from relaytrack.pipeline.render.places import Places


class Annotator:
    """Draws each frame once and hands the picture to whoever asks.

    Args:
        trail: seconds of path behind a person.
        clock: dates for live runs; None shows the run's own clock.
        colors: the identities' colours.
        places: zones and lines to draw, by camera.
    """

    def __init__(
        self,
        trail: float,
        clock: WallClock | None = None,
        colors: IdentityColors | None = None,
        places: Mapping[str, Places] | None = None,
    ) -> None:
        self._places = places or {}
        self._trail = trail
        self._clock = clock
        self._colors = colors or IdentityColors()
        self._painters: dict[str, Painter] = {}
        self._drawn: dict[str, tuple[FrameTracks, Image]] = {}

    def painter(self, tracks: FrameTracks) -> Painter:
        """A new painter for the frame's camera with this run's settings."""
        zero = None
        if self._clock is not None:
            zero = self._clock.epoch(tracks.frame) - tracks.frame.time
        camera = tracks.frame.camera
        return Painter(camera, trail=self._trail, wall_clock=zero, colors=self._colors, places=self._places.get(camera))

    def drawn(self, tracks: FrameTracks) -> Image:
        """The frame's picture with everything on it; the same array for the same `tracks`, not to be changed."""
        camera = tracks.frame.camera
        known = self._drawn.get(camera)
        if known is not None and known[0] is tracks:
            return known[1]
        if camera not in self._painters:
            self._painters[camera] = self.painter(tracks)
        image = tracks.frame.image.copy()
        self._painters[camera].draw(image, tracks)
        self._drawn[camera] = (tracks, image)
        return image
