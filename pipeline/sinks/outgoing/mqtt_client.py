"""The way to an MQTT broker: events with acknowledgement, states that are retained, a last will."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from relaytrack.pipeline.sinks.outgoing.base import DeliveryError
from relaytrack.pipeline.sinks.outgoing.spool import Message

_KEEPALIVE = 30  # seconds


class MqttClient:
    """Connects by itself, again and again.

    Args:
        host: the broker.
        port: its port.
        root: what all topics begin with.
        user: name to log in with; None needs none.
        password: its password.
        tls: encrypt.
        authority: PEM file of the authority that signed the broker's certificate; None trusts the system's.
        timeout: seconds in which the broker must answer.

    Attributes:
        on_connected: called at every new connection, from the client's own thread.
    """

    batch = 100

    def __init__(
        self,
        host: str,
        port: int,
        *,
        root: str,
        user: str | None = None,
        password: str | None = None,
        tls: bool = False,
        authority: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._host, self._port, self._root, self._timeout = host, port, root, timeout
        self._user, self._password, self._tls, self._authority = user, password, tls, authority
        self._name = f"relaytrack-{secrets.token_hex(6)}"
        self._changing = threading.Lock()
        self._retained: dict[str, str] = {}
        self._stale: dict[str, None] = {}  # topics whose text the broker does not have
        self._connected = threading.Event()
        self._reason = "no connection"
        self._client: Any = None
        self.on_connected: Callable[[], object] = lambda: None

    @property
    def stale(self) -> bool:
        """Whether there are states that the broker does not have."""
        return bool(self._stale)

    def retain(self, topic: str, text: str) -> None:
        """Note the state of a topic, for the next `refresh`; an empty text removes it. From any thread."""
        with self._changing:
            if self._retained.get(topic) != text:
                self._retained[topic] = text
                self._stale[topic] = None

    def refresh(self) -> None:
        """Connect if need be, and publish the states that have changed.

        Raises:
            DeliveryError: the broker has not got them.
        """
        client = self._ready()
        with self._changing:
            stale = [(topic, self._retained[topic]) for topic in self._stale]
        self._wait([client.publish(topic, text, qos=1, retain=True) for topic, text in stale])
        with self._changing:
            for topic, text in stale:
                if self._retained.get(topic) == text:
                    self._stale.pop(topic, None)
                    if not text:
                        del self._retained[topic]

    def send(self, messages: Sequence[Message]) -> None:
        """Publish events, and wait until the broker confirms them.

        Raises:
            DeliveryError: it has not got all of them.
        """
        client = self._ready()
        sent = []
        for message in messages:
            below = message.kind if message.camera is None else f"{message.kind}/{message.camera}"
            sent.append(client.publish(f"{self._root}/events/{below}", message.body, qos=1))
        self._wait(sent)

    def close(self) -> None:
        """Say that this site is offline, and go."""
        if self._client is not None and self._connected.is_set():
            said = self._client.publish(f"{self._root}/status", "offline", qos=1, retain=True)
            with suppress(RuntimeError, ValueError):  # the connection went meanwhile: the last will says it
                said.wait_for_publish(1.0)
        self._leave()

    def _ready(self) -> Any:
        if self._client is None:
            self._client = self._begin()
        if not self._connected.wait(self._timeout):
            self._leave()
            raise DeliveryError(f"the broker cannot be reached ({self._reason})")
        return self._client

    def _begin(self) -> Any:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(CallbackAPIVersion.VERSION2, client_id=self._name)
        client.max_inflight_messages_set(self.batch)
        client.reconnect_delay_set(1, 30)
        client.connect_timeout = self._timeout
        if self._user is not None:
            client.username_pw_set(self._user, self._password)
        if self._tls:
            try:
                client.tls_set(self._authority)
            except (OSError, ValueError):
                raise DeliveryError("tls_ca holds no certificate") from None
        client.will_set(f"{self._root}/status", "offline", qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.connect_async(self._host, self._port, _KEEPALIVE)
        client.loop_start()
        return client

    def _on_connect(self, client: Any, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure:
            self._reason = str(reason)
            return
        client.publish(f"{self._root}/status", "online", qos=1, retain=True)
        with self._changing:
            self._stale = dict.fromkeys(self._retained)
        self._connected.set()
        self.on_connected()

    def _on_disconnect(self, client: Any, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if client is self._client and self._connected.is_set():  # else `_on_connect` has told why
            self._connected.clear()
            self._reason = str(reason) if reason.is_failure else "no connection"

    def _wait(self, sent: Sequence[Any]) -> None:
        end = time.monotonic() + self._timeout
        try:
            for one in sent:
                one.wait_for_publish(max(0.01, end - time.monotonic()))
                if not one.is_published():
                    raise DeliveryError("the broker does not answer")
        except (RuntimeError, ValueError):
            self._leave()
            raise DeliveryError("the connection to the broker broke") from None
        except DeliveryError:
            self._leave()  # a new client: this one would send again what it still holds
            raise

    def _leave(self) -> None:
        client, self._client = self._client, None
        self._connected.clear()
        if client is not None:
            client.disconnect()
            client.loop_stop()
