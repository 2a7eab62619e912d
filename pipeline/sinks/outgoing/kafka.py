"""Events as messages of a Kafka topic. The key is the camera, so that a camera's events stay in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from relaytrack.pipeline.config.urls import fill_variables
from relaytrack.pipeline.plugins import Plugin
from relaytrack.pipeline.sinks.outgoing.base import DeliveryError, OutgoingSettings, OutgoingSink, filled, needs
from relaytrack.pipeline.sinks.outgoing.spool import Message


class KafkaSettings(OutgoingSettings):
    """Options of the sink `kafka`."""

    servers: str = Field(default="localhost:9092", description="host:port, several with commas (bootstrap.servers)")
    topic: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9._-]{1,249}$", description="default: relaytrack.SITE.events"
    )
    client: dict[str, str | int | float | bool] = Field(
        default={}, repr=False, description="further settings of librdkafka (security.protocol, sasl.password, ...)"
    )

    @model_validator(mode="after")
    def _installed(self) -> KafkaSettings:
        needs("confluent_kafka", "confluent-kafka")
        return self


class KafkaTopic:
    """Produces to a topic, without duplicates where the brokers allow (idempotent producer).

    Args:
        servers: brokers to begin with.
        topic: the topic.
        client: further settings of librdkafka.
        timeout: seconds in which a batch must be delivered.
    """

    batch = 1000

    def __init__(self, servers: str, topic: str, *, client: Mapping[str, Any], timeout: float) -> None:
        from confluent_kafka import Producer

        self._topic, self._timeout = topic, timeout
        self._settings = {
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "linger.ms": 0,
            "message.timeout.ms": int(timeout * 1000),
            "log_level": 0,  # what fails is told by `send`
            **client,
        }
        self._make = Producer
        self._producer: Any = None

    def refresh(self) -> None:
        """There are no states."""

    def send(self, messages: Sequence[Message]) -> None:
        """Produce the events, and wait until the brokers confirm them.

        Raises:
            DeliveryError: not all were delivered.
        """
        if self._producer is None:
            self._producer = self._make(self._settings)
        failures: list[Any] = []
        delivered: list[None] = []

        def told(error: Any, _: Any) -> None:
            failures.append(error) if error is not None else delivered.append(None)

        for message in messages:
            self._producer.produce(
                self._topic,
                key=message.camera,
                value=message.body.encode(),
                headers={"id": message.id, "event": message.kind},
                on_delivery=told,
            )
        self._producer.flush(self._timeout + 1.0)
        if len(delivered) < len(messages):
            self._producer.purge()  # nothing of it may arrive after what is sent next
            self._producer.flush(1.0)
            self._producer = None  # an idempotent producer that failed once stays failed
            reason = failures[0].name() if failures else "no answer"
            raise DeliveryError(f"the brokers do not take them ({reason})")

    def close(self) -> None:
        """Close the connections to the brokers."""
        self._producer = None


def create(settings: KafkaSettings, *, folder: Path | None) -> OutgoingSink:
    """Make the sink."""
    values = filled(settings, "kafka")
    client = {
        key: fill_variables(value, f"sink 'kafka': client.{key}") if isinstance(value, str) else value
        for key, value in settings.client.items()
    }
    topic = settings.topic or f"relaytrack.{settings.site}.events"
    transport = KafkaTopic(values["servers"], topic, client=client, timeout=settings.timeout)
    return OutgoingSink("kafka", transport, settings, folder)


PLUGIN: Plugin[OutgoingSink] = Plugin(KafkaSettings, create)
