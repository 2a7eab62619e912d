"""What makes Home Assistant show cameras by itself (MQTT discovery).

Source: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def discovery(prefix: str, root: str, site: str, camera: str) -> Iterator[tuple[str, str]]:
    """Announce a camera's connection and its count of people.

    Args:
        prefix: Home Assistant's discovery prefix.
        root: what RelayTrack's topics begin with.
        site: the installation.
        camera: the camera.

    Yields:
        Topic and text of each retained announcement.
    """
    here = f"{root}/cameras/{camera}"
    node = f"relaytrack_{site}"
    common: dict[str, Any] = {
        "availability_topic": f"{root}/status",
        "device": {"identifiers": [node], "name": f"RelayTrack {site}", "manufacturer": "RelayTrack"},
    }
    connection = {
        "name": f"{camera} connection",
        "unique_id": f"{node}_{camera}_connection",
        "state_topic": f"{here}/state",
        "value_template": "{{ 'ON' if value == 'running' else 'OFF' }}",
        "device_class": "connectivity",
    }
    people = {
        "name": f"{camera} people",
        "unique_id": f"{node}_{camera}_people",
        "state_topic": f"{here}/people",
        "state_class": "measurement",
        "icon": "mdi:account-group",
    }
    yield f"{prefix}/binary_sensor/{node}/{camera}_connection/config", json.dumps({**connection, **common})
    yield f"{prefix}/sensor/{node}/{camera}_people/config", json.dumps({**people, **common})
