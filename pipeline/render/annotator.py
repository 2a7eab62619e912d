"""The drawn pictures of a run: each frame is drawn once, for everybody who shows it at its own size."""

from __future__ import annotations

from collections.abc import Mapping

from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.records import FrameTracks, Image
from relaytrack.pipeline.render.painter import Painter
from relaytrack.pipeline.render.places import Places


class Annotator:
    """Draws the frames of all cameras, in time order per camera.

    Args:
        trail: seconds of path behind a person.
        colors: the identities' colours.
        places: zones and lines to draw, by camera.
    """

    def __init__(
        self, trail: float, colors: IdentityColors | None = None, places: Mapping[str, Places] | None = None
    ) -> None:
        self._places = places
        self._trail = trail
        self._colors = colors or IdentityColors()
        self._painters: dict[str, Painter] = {}

    def draw(self, tracks: FrameTracks, image: Image) -> Image:
        """A copy of the frame's picture with everything on it."""
        drawn = image.copy()
        self._painter(tracks).draw(drawn, tracks)
        return drawn

    def follow(self, tracks: FrameTracks) -> None:
        """Note where people are in a frame that nobody wants to see drawn, so that trails have no gaps."""
        self._painter(tracks).follow(tracks)

    def set_trail(self, seconds: float) -> None:
        """Draw another length of path behind a person; paths begin anew where it differs."""
        if seconds != self._trail:
            self._trail = seconds
            self._painters = {}

    def forget(self, camera: str) -> None:
        """A camera has left: its trails end."""
        self._painters.pop(camera, None)

    def _painter(self, tracks: FrameTracks) -> Painter:
        camera = tracks.frame.camera
        painters = self._painters  # another thread may begin others
        if camera not in painters:
            painters[camera] = Painter(camera, trail=self._trail, colors=self._colors, places=self._places)
        return painters[camera]
