"""Events as entries of a Redis or Valkey stream (`XADD`): fields `id`, `event`, `camera` and `data` (JSON)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from relaytrack.pipeline.plugins import Plugin
from relaytrack.pipeline.sinks.outgoing.base import DeliveryError, OutgoingSettings, OutgoingSink, filled, needs
from relaytrack.pipeline.sinks.outgoing.spool import Message


class RedisSettings(OutgoingSettings):
    """Options of the sink `redis`."""

    url: str = Field(default="redis://localhost:6379/0", repr=False, description="redis://, rediss:// or unix://")
    stream: str | None = Field(default=None, min_length=1, description="key; default: relaytrack:SITE:events")
    most: int = Field(default=1_000_000, ge=1, description="entries that the stream keeps, about")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if not value.startswith(("redis://", "rediss://", "unix://", "${")):
            raise ValueError("not a redis, rediss or unix address")
        return value

    @model_validator(mode="after")
    def _installed(self) -> RedisSettings:
        needs("redis", "redis")
        return self


class RedisStream:
    """Adds events to a stream; those of one batch all together or not at all.

    Args:
        url: the server.
        stream: the stream's key.
        most: entries that it keeps, about.
        timeout: seconds without an answer that end a connection.
    """

    batch = 500

    def __init__(self, url: str, stream: str, *, most: int, timeout: float) -> None:
        import redis

        self._stream, self._most = stream, most
        self._client: Any = redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)
        self._failures = redis.RedisError

    def refresh(self) -> None:
        """There are no states."""

    def send(self, messages: Sequence[Message]) -> None:
        """Add the events.

        Raises:
            DeliveryError: the server did not take them.
        """
        try:
            with self._client.pipeline(transaction=True) as together:
                for message in messages:
                    fields = {"id": message.id, "event": message.kind, "data": message.body}
                    if message.camera is not None:
                        fields["camera"] = message.camera
                    together.xadd(self._stream, fields, maxlen=self._most, approximate=True)
                together.execute()
        except (self._failures, OSError) as error:
            raise DeliveryError(f"the server does not take them ({type(error).__name__})") from None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def create(settings: RedisSettings, *, folder: Path | None) -> OutgoingSink:
    """Make the sink."""
    values = filled(settings, "redis")
    stream = settings.stream or f"relaytrack:{settings.site}:events"
    transport = RedisStream(values["url"], stream, most=settings.most, timeout=settings.timeout)
    return OutgoingSink("redis", transport, settings, folder)


PLUGIN: Plugin[OutgoingSink] = Plugin(RedisSettings, create)
