"""Cameras of a site on a cluster that are added, changed, paused and removed while it runs."""

from __future__ import annotations

import threading
from typing import Any, Literal

from relaytrack.pipeline.cluster.crew import Crew
from relaytrack.pipeline.cluster.head_watch import ClusterError
from relaytrack.pipeline.cluster.member import Member
from relaytrack.pipeline.cluster.site_steps import SiteSteps
from relaytrack.pipeline.config.ground import ground_plane
from relaytrack.pipeline.config.schema import CameraConfig, Config, joining
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.sources import is_live
from relaytrack.pipeline.sources.base import Source

_ANSWER = 10.0  # seconds that a program gets
Command = Literal["add_camera", "change_camera", "pause_camera", "resume_camera", "remove_camera"]


class FarCameras:
    """Adds, changes, pauses and removes cameras that other machines follow; `CameraCommands` calls it.

    Args:
        ray: the module, connected.
        crew: the programs; its configuration has the present cameras.
        busy: held while the programs are looked at or told something.
        steps: told which cameras there are.
        host: the sinks, told of cameras that come and go.
    """

    def __init__(self, ray: Any, crew: Crew, busy: threading.RLock, steps: SiteSteps, host: SinkHost) -> None:
        self._ray, self._crew, self._busy, self._steps, self._host = ray, crew, busy, steps, host

    def add(self, camera: CameraConfig, source: Source | None = None) -> str:
        """Let the program follow a camera that has the least to do; its name.

        Raises:
            ConfigError: there is one of that name, it is a recording, a setting makes no sense, or a source is given.
            ClusterError: no program is there for it, or it does not answer.
        """
        if source is not None:
            raise ConfigError("a camera on a cluster is opened by its address; a source cannot go to another machine")
        with self._busy:
            config = self._crew.config
            camera = joining(camera, [one.name for one in config.cameras])
            check_live(camera, config)
            ground_plane(camera)
            member = self._least_busy(config.cluster.bind.get(camera.name, ""))
            node = next((name for name, _ in member.groups() if _is_running(member, name)), None)
            self._know((*config.cameras, camera))
            try:
                if node is None:
                    self._crew.give(member, [camera.name])
                else:
                    self._ask(member, "add_camera", node, camera.model_dump_json())
                    member.take_in(node, camera)
            except BaseException:
                self._know(config.cameras)
                raise
            with self._steps.handing_on:
                self._host.camera_added(camera)
        return camera.name

    def change(self, camera: CameraConfig) -> None:
        """Give a camera other settings.

        Raises:
            ConfigError: there is none of that name, or a setting makes no sense.
            ClusterError: its program does not answer.
        """
        with self._busy:
            config = self._crew.config
            check_live(camera, config)
            self._tell("change_camera", camera.name, camera.model_dump_json())
            self._know(tuple(camera if one.name == camera.name else one for one in config.cameras))
            with self._steps.handing_on:
                self._host.camera_added(camera)

    def pause(self, name: str) -> None:
        """Take no frames of a camera for now.

        Raises:
            ConfigError: there is none of that name.
            ClusterError: its program does not answer.
        """
        self._set_paused("pause_camera", name, paused=True)

    def resume(self, name: str) -> None:
        """Take its frames again.

        Raises:
            ConfigError: there is none of that name.
            ClusterError: its program does not answer.
        """
        self._set_paused("resume_camera", name, paused=False)

    def remove(self, name: str) -> None:
        """Let a camera go; the people whom it saw stay known.

        Raises:
            ConfigError: there is none of that name.
            ClusterError: its program does not answer.
        """
        with self._busy:
            member, node = self._tell("remove_camera", name, name)
            member.leave_out(node, [name])
            self._know(tuple(one for one in self._crew.config.cameras if one.name != name))
            with self._steps.handing_on:
                self._steps.present.forget(name)
                self._host.camera_removed(name)

    def _set_paused(self, command: Command, name: str, *, paused: bool) -> None:
        with self._busy:
            self._tell(command, name, name)
            cameras = self._crew.config.cameras
            self._know(tuple(_paused(one, paused) if one.name == name else one for one in cameras))

    def _know(self, cameras: tuple[CameraConfig, ...]) -> None:
        self._crew.config = self._crew.config.model_copy(update={"cameras": cameras})
        self._steps.expect(camera.name for camera in cameras)

    def _least_busy(self, bound: str) -> Member:
        """The program with the fewest cameras among those that may follow it."""
        able = [member for member in self._crew.members if member.bound == bound]
        if not able:
            raise ClusterError("no program of the cluster is there for this camera")
        return min(able, key=lambda member: sum(len(names) for _, names in member.groups()))

    def _tell(self, command: Command, name: str, word: str) -> tuple[Member, str]:
        """Tell the program that follows a camera."""
        if name not in {one.name for one in self._crew.config.cameras}:
            raise ConfigError(f"there is no camera {name!r}")
        for member in self._crew.members:
            for node, names in member.groups():
                if name in names:
                    self._ask(member, command, node, word)
                    return member, node
        raise ClusterError(f"camera {name!r} is moving to another machine; try again in a moment")

    def _ask(self, member: Member, command: Command, node: str, word: str) -> None:
        try:
            self._ray.get(member.actor.of_camera.remote(node, command, word), timeout=_ANSWER)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError:
            raise ClusterError(f"machine {member.machine.address} does not answer; try again in a moment") from None


def _paused(camera: CameraConfig, paused: bool) -> CameraConfig:
    return camera.model_copy(update={"paused": paused})


def _is_running(member: Member, node: str) -> bool:
    status = member.status.get(node)
    return status is not None and status.state == "running"


def check_live(camera: CameraConfig, config: Config) -> None:
    """Refuse a camera that is a recording.

    Raises:
        ConfigError: it is one.
    """
    if not is_live(camera, config.run):
        raise ConfigError(f"camera {camera.name!r}: serve --cluster follows live cameras only (live: true for a file)")
