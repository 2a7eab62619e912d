"""What a program can do with cameras while a run goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

from relaytrack.pipeline.config.schema import CameraConfig, as_camera
from relaytrack.pipeline.sources.base import Source


class PresentCameras(Protocol):
    """The cameras of a run on its way; see `CameraCommands` for the errors."""

    def add(self, camera: CameraConfig, source: Source | None = None) -> str:
        """Take up a camera; its name."""

    def change(self, camera: CameraConfig) -> None:
        """Give the camera of this name other settings."""

    def pause(self, name: str) -> None:
        """Take no frames of a camera for now."""

    def resume(self, name: str) -> None:
        """Take its frames again."""

    def remove(self, name: str) -> None:
        """Let a camera go."""


class CameraCommands(ABC):
    """Adds, changes, pauses and removes the cameras of a run that is on its way; the base of both engines."""

    @abstractmethod
    def _present_cameras(self) -> PresentCameras:
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
            ClusterError: no machine is there for it, or its machine does not answer; so in the methods below.
        """
        settings = camera if isinstance(camera, CameraConfig) else CameraConfig.model_validate(as_camera(camera))
        return self._present_cameras().add(settings, source)

    def change_camera(self, camera: CameraConfig) -> None:
        """Change the settings of the camera of this name; only the parts that the changes concern begin anew.

        Raises:
            ConfigError: as `add_camera`, or there is no camera of that name.
        """
        self._present_cameras().change(camera)

    def pause_camera(self, name: str) -> None:
        """Take no frames of a camera until `resume_camera`.

        Raises:
            ConfigError: there is no such camera.
        """
        self._present_cameras().pause(name)

    def resume_camera(self, name: str) -> None:
        """Take a camera's frames again; its people keep their track ids.

        Raises:
            ConfigError: there is no such camera.
        """
        self._present_cameras().resume(name)

    def remove_camera(self, name: str) -> None:
        """Remove a camera. The others go on undisturbed, and identities stay known.

        Raises:
            ConfigError: there is no such camera.
        """
        self._present_cameras().remove(name)
