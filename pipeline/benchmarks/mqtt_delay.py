"""How long an event takes from the site to a subscriber of an MQTT broker."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.pipeline.benchmarks.served_site import Server
from relaytrack.pipeline.errors import RelayTrackError


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """A mosquitto of its own, which keeps nothing; gives its port.

    Raises:
        RelayTrackError: it is not installed, or does not start.
    """
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise RelayTrackError("needs the broker mosquitto (on Debian: apt install mosquitto)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    file = folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\npersistence false\nallow_anonymous true\n")
    folder.chmod(0o755)  # it may run as a user of its own
    running = subprocess.Popen([program, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
                break
            time.sleep(0.05)
        else:
            raise RelayTrackError("mosquitto does not start")
        yield port
    finally:
        running.terminate()
        running.wait(10)


def measure_mqtt(running: Server, port: int, *, seconds: float = 30.0) -> dict[str, float]:
    """Listen to the events of a running site.

    An event's way begins when the site notes it, which is when the step with its frame's ids reaches the receivers.

    Returns:
        `p50`, `p95` and `most` in milliseconds from there to the subscriber, `from_decoding_p50` and
        `from_decoding_p95` from the decoding of its frame on (the networks' time included), and the `count`.

    Raises:
        RelayTrackError: no event came.
    """
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    got: dict[tuple[Any, ...], float] = {}
    there = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_subscribe = lambda *_: there.set()

    def message(_: Any, __: Any, found: Any) -> None:
        now = time.time()
        with suppress(ValueError):
            content = json.loads(found.payload)
            if isinstance(content, dict) and "event" in content:
                got.setdefault(_key(content), now)

    client.on_message = message
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe("relaytrack/#", qos=1)
    there.wait(10)
    time.sleep(seconds)
    events = running.ask("GET", "/api/v1/events?limit=1000")["events"]
    time.sleep(1.0)
    client.loop_stop()
    client.disconnect()
    noted, decoded = [], []
    for event in events:
        received = got.get(_key(event))
        if received is None or event["event"] not in ("enter", "identity"):
            continue
        noted.append(1000 * (received - event["epoch"]))
        decoded.append(1000 * (received - _epoch(event["date"])))
    if not noted:
        raise RelayTrackError("no event reached the broker")
    p50, p95, most = np.percentile(noted, [50, 95, 100]).round(1).tolist()
    whole50, whole95 = np.percentile(decoded, [50, 95]).round(1).tolist()
    return {
        "p50": p50,
        "p95": p95,
        "most": most,
        "from_decoding_p50": whole50,
        "from_decoding_p95": whole95,
        "count": float(len(noted)),
    }


def _key(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["event"], event.get("date"), event.get("camera"), event.get("track")


def _epoch(date: str) -> float:
    return datetime.fromisoformat(date).timestamp()
