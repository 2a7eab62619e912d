"""Events and states by MQTT, with discovery for Home Assistant.

Topics, all below `relaytrack/SITE`:

* `status`: `online`, or `offline` by the last will; retained.
* `cameras/NAME/state`: `waiting` before the first picture, `running`, `lost`; retained.
* `cameras/NAME/people`: how many people the camera sees; retained.
* `events/KIND/NAME`: events as JSON, with quality of service 1; `events/KIND` where they concern no camera.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.plugins import Plugin
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.sinks.outgoing.base import OutgoingSettings, OutgoingSink, filled, needs
from relaytrack.pipeline.sinks.outgoing.home_assistant import discovery
from relaytrack.pipeline.sinks.outgoing.mqtt_client import MqttClient
from relaytrack.reid.paths import plain_path


class MqttSettings(OutgoingSettings):
    """Options of the sink `mqtt`."""

    host: str = Field(default="localhost", min_length=1)
    port: int | None = Field(default=None, ge=1, le=65535, description="default: 1883, with tls 8883")
    user: str | None = Field(default=None, min_length=1, repr=False)
    password: str | None = Field(default=None, repr=False)
    tls: bool = Field(default=False, description="encrypt, and check the broker's certificate")
    tls_ca: str | None = Field(default=None, description="PEM file of the authority; default: the system's")
    prefix: str = Field(default="relaytrack", pattern=r"^[^#+\s]+$", description="first part of every topic")
    discovery: str | None = Field(
        default="homeassistant", pattern=r"^[^#+\s]+$", description="Home Assistant's prefix; null announces nothing"
    )

    @model_validator(mode="after")
    def _usable(self) -> MqttSettings:
        needs("paho.mqtt", "paho-mqtt")
        if self.tls_ca is not None and not Path(plain_path(self.tls_ca)).is_file():
            raise ValueError(f"tls_ca: no such file: {self.tls_ca}")
        if self.password is not None and self.user is None:
            raise ValueError("password: give a user, too")
        return self


class MqttSink(OutgoingSink):
    """Sends events, and keeps the cameras' states up to date.

    Args:
        client: the way to the broker.
        settings: the options.
        folder: the run's folder.
    """

    def __init__(self, client: MqttClient, settings: MqttSettings, folder: Path | None) -> None:
        self._client = client
        self._root = root_of(settings)
        self._site, self._discovery = settings.site, settings.discovery
        self._cameras: dict[str, set[str]] = {}  # the topics of each camera
        super().__init__("mqtt", client, settings, folder)
        client.on_connected = self._wake.set

    def write(self, step: Step) -> None:
        """Spool the step's events and note what the cameras show."""
        super().write(step)
        for tracks in step:
            self._say(tracks.frame.camera, "state", "running")
            self._say(tracks.frame.camera, "people", str(len(tracks)))
        for event in step.events:
            if event.event == "camera_lost":
                self._say(event.camera, "state", "lost")
                self._say(event.camera, "people", "0")
        if self._client.stale:
            self._wake.set()

    def camera_added(self, camera: CameraConfig) -> None:
        """Announce a camera."""
        if camera.name not in self._cameras:
            self._cameras[camera.name] = set()
            if self._discovery is not None:
                for topic, text in discovery(self._discovery, self._root, self._site, camera.name):
                    self._retain(camera.name, topic, text)
            self._say(camera.name, "state", "waiting")
            self._say(camera.name, "people", "0")
        self._wake.set()

    def camera_removed(self, name: str) -> None:
        """Take back all that is retained of a camera."""
        for topic in self._cameras.pop(name, ()):
            self._client.retain(topic, "")
        self._wake.set()

    def _say(self, camera: str, what: str, text: str) -> None:
        if camera in self._cameras:
            self._retain(camera, f"{self._root}/cameras/{camera}/{what}", text)

    def _retain(self, camera: str, topic: str, text: str) -> None:
        self._cameras[camera].add(topic)
        self._client.retain(topic, text)


def root_of(settings: MqttSettings) -> str:
    """What all topics begin with."""
    return f"{settings.prefix}/{settings.site}"


def create(settings: MqttSettings, *, folder: Path | None) -> MqttSink:
    """Make the sink."""
    values = filled(settings, "mqtt")
    client = MqttClient(
        values["host"],
        settings.port or (8883 if settings.tls else 1883),
        root=root_of(settings),
        user=values["user"],
        password=values["password"],
        tls=settings.tls or settings.tls_ca is not None,
        authority=None if settings.tls_ca is None else plain_path(settings.tls_ca),
        timeout=settings.timeout,
    )
    return MqttSink(client, settings, folder)


PLUGIN: Plugin[OutgoingSink] = Plugin(MqttSettings, create)
