"""What the server can do with the cameras of a site that other machines follow."""

from __future__ import annotations

from abc import ABC, abstractmethod

from relaytrack.pipeline.cluster.far_cameras import FarCameras
from relaytrack.pipeline.config.schema import CameraConfig


class FarCameraCommands(ABC):
    """Adds, changes, pauses and removes cameras while the run goes on; the base of `ClusterEngine`."""

    @abstractmethod
    def _far_cameras(self) -> FarCameras:
        """The present cameras.

        Raises:
            ConfigError: the run is not on its way.
        """

    def add_camera(self, camera: CameraConfig) -> str:
        """See `FarCameras.add`."""
        return self._far_cameras().add(camera)

    def change_camera(self, camera: CameraConfig) -> None:
        """See `FarCameras.change`."""
        self._far_cameras().change(camera)

    def pause_camera(self, name: str) -> None:
        """See `FarCameras.pause`."""
        self._far_cameras().pause(name, paused=True)

    def resume_camera(self, name: str) -> None:
        """See `FarCameras.pause`."""
        self._far_cameras().pause(name, paused=False)

    def remove_camera(self, name: str) -> None:
        """See `FarCameras.remove`."""
        self._far_cameras().remove(name)
