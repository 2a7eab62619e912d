"""A client of an MQTT broker that hears everything."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Listener:
    """Hears everything."""

    def __init__(self) -> None:
        self.topics: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        self.ready = threading.Event()

    def hear(self, _: object, __: object, message: Any) -> None:
        text = message.payload.decode()
        self.topics[message.topic] = text
        if "/events/" in message.topic:
            self.events.append(json.loads(text))


@contextmanager
def listening(port: int, topics: str = "#") -> Iterator[Listener]:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    there = Listener()
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = there.hear
    client.on_subscribe = lambda *_: there.ready.set()
    client.connect("127.0.0.1", port)
    client.subscribe(topics, qos=1)
    client.loop_start()
    assert there.ready.wait(10)
    try:
        yield there
    finally:
        client.disconnect()
        client.loop_stop()
