"""What a program can do with cameras while a run goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from relaytrack.pipeline.config.schema import CameraConfig, as_camera
from relaytrack.pipeline.runtime.cameras import CameraDesk
from relaytrack.pipeline.sources.base import Source


class CameraCommands(ABC):
    """Adds, changes, pauses and removes the cameras of a run that is on its way; the base of `Pipeline`."""

    @abstractmethod
    def _desk_now(self) -> CameraDesk:
        """The present cameras.

        Raises:
            ConfigError: the run is not on its way.
        """

    def add_camera(self, camera: CameraConfig | Mapping[str, Any] | str, *, source: Source | None = None) -> str:
        """Add a camera while the run goes on; a live one that cannot be reached is tried again until it answers.

        Args:
            camera: its settings, or its address alone.
            source: hands out its frames; None opens its address.

        Returns:
            The camera's name.

        Raises:
            ConfigError: a setting makes no sense, there is a camera of that name, or the run is not on its way.
        """
        settings = camera if isinstance(camera, CameraConfig) else CameraConfig.model_validate(as_camera(camera))
        return self._desk_now().add(settings, source)

    def change_camera(self, camera: CameraConfig) -> None:
        """Change the settings of the camera of this name; only the parts that the changes concern begin anew.

        Raises:
            ConfigError: as `add_camera`, or there is no camera of that name.
        """
        self._desk_now().change(camera)

    def pause_camera(self, name: str) -> None:
        """Take no frames of a camera until `resume_camera`.

        Raises:
            ConfigError: there is no such camera.
        """
        self._desk_now().pause(name)

    def resume_camera(self, name: str) -> None:
        """Take a camera's frames again; its people keep their track ids.

        Raises:
            ConfigError: there is no such camera.
        """
        self._desk_now().resume(name)

    def remove_camera(self, name: str) -> None:
        """Remove a camera. The others go on undisturbed, and identities stay known.

        Raises:
            ConfigError: there is no such camera.
        """
        self._desk_now().remove(name)
