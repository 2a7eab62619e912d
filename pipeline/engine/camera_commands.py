"""What a program can do with cameras while a run goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

from relaytrack.pipeline.config.loading import camera_settings
from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.engine.own_parts import check_source, named_as, tell_left_out
from relaytrack.pipeline.errors import ConfigError
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

    @property
    @abstractmethod
    def cameras(self) -> tuple[CameraConfig, ...]:
        """The settings of the present cameras."""

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
        present, settings = self._present_cameras(), camera_settings(camera)
        if source is not None:
            check_source(source)
            settings = named_as(source, settings)
            tell_left_out(settings)
        return present.add(settings, source)

    def change_camera(self, camera: CameraConfig | Mapping[str, Any]) -> None:
        """Change the settings of the camera of this name; only the parts that the changes concern begin anew.

        Frames of a camera whose `offset` becomes smaller are left out until its clock has caught up.

        Args:
            camera: all its settings, or a mapping of its `name` and of those that change.

        Raises:
            ConfigError: as `add_camera`, or there is no camera of that name, or its `source` was given by the program
                and cannot follow the change.
        """
        present = self._present_cameras()
        if isinstance(camera, Mapping):
            name = camera.get("name")
            before = next((one for one in self.cameras if one.name == name), None)
            if before is None:
                raise ConfigError(f"there is no camera {name!r}")
            camera = camera_settings(camera, before)
        elif not isinstance(camera, CameraConfig):
            raise ConfigError(f"a camera is a CameraConfig or a mapping, not {type(camera).__name__}")
        present.change(camera)

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
