"""The zones and lines of all cameras, which change while the run goes on."""

from __future__ import annotations

import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig, EventsConfig
from relaytrack.pipeline.events.zones import LineWatch, ZoneWatch


class PlaceWatch:
    """Keeps one watch for each zone and line.

    Args:
        settings: when a person counts as in a zone.

    Attributes:
        zones, lines: camera -> name -> its watch.
    """

    def __init__(self, settings: EventsConfig) -> None:
        self._settings = settings
        self._cameras: dict[str, CameraConfig] = {}
        self.zones: dict[str, dict[str, ZoneWatch]] = {}
        self.lines: dict[str, dict[str, LineWatch]] = {}

    def set_camera(self, camera: CameraConfig) -> None:
        """Take up a camera's zones and lines; those that stay as they are keep their counts."""
        before = self._cameras.get(camera.name)
        zones, lines = self.zones.get(camera.name, {}), self.lines.get(camera.name, {})
        settle, dwell = self._settings.settle, self._settings.dwell
        self.zones[camera.name] = {
            name: zones[name]
            if before is not None and before.zones.get(name) == corners
            else ZoneWatch(np.array(corners), settle=settle, dwell=dwell)
            for name, corners in camera.zones.items()
        }
        self.lines[camera.name] = {
            name: lines[name] if before is not None and before.lines.get(name) == ends else LineWatch(np.array(ends))
            for name, ends in camera.lines.items()
        }
        self._cameras[camera.name] = camera

    def set_times(self, settings: EventsConfig) -> None:
        """Use other times from now on; counts and stays are kept."""
        self._settings = settings
        for zones in self.zones.values():
            for zone in zones.values():
                zone.set_times(settle=settings.settle, dwell=settings.dwell)

    def remove_camera(self, name: str) -> None:
        """Watch the camera's zones and lines no longer; people who were in view there leave in their time."""
        for known in (self._cameras, self.zones, self.lines):
            known.pop(name, None)

    def rename(self, camera: str, old: int, new: int) -> None:
        """A person in a zone or before a line has another number now."""
        for zone in self.zones.get(camera, {}).values():
            zone.rename(old, new)
        for line in self.lines.get(camera, {}).values():
            line.rename(old, new)

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Per camera the counts of its zones (inside, total) and lines (forward, backward), by their names."""
        return {
            camera: {
                **{name: {"inside": zone.inside, "total": zone.total} for name, zone in self.zones[camera].items()},
                **{n: {"forward": line.forward, "backward": line.backward} for n, line in self.lines[camera].items()},
            }
            for camera in self._cameras
        }
