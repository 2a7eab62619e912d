"""The MQTT sink against mosquitto."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.listening import listening
from support.outgoing import free_port, mosquitto, numbers_of, step_with, until

from relaytrack.pipeline import plugins
from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.records import FrameInfo, FrameTracks, Step
from relaytrack.pipeline.sinks.outgoing import base
from relaytrack.pipeline.sinks.outgoing.mqtt import MqttSink

pytestmark = [pytest.mark.needs("mosquitto")]
pytest.importorskip("paho.mqtt.client")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_LONGEST_PAUSE", 0.5)


def mqtt(port: int, folder: Path, **options: object) -> MqttSink:
    made = plugins.create_sink("mqtt", {"host": "127.0.0.1", "port": port, "site": "shop", **options}, folder=folder)
    assert isinstance(made, MqttSink)
    return made


def seen(people: int, camera: str = "west") -> Step:
    ids = np.arange(people, dtype=np.int64)
    boxes = np.zeros((people, 4), np.float32)
    tracks = FrameTracks(FrameInfo(camera, 1, 1.0, (64, 64)), ids, ids, boxes, np.ones(people, np.float32))
    return Step.of([tracks])


def test_events_states_and_the_last_word_arrive(tmp_path: Path) -> None:
    port = free_port()
    with mosquitto(tmp_path, port), listening(port) as there:
        sink = mqtt(port, tmp_path)
        sink.camera_added(CameraConfig(url="rtsp://user:pa55@host/", name="west"))
        until(lambda: there.topics.get("relaytrack/shop/cameras/west/state") == "waiting")
        sink.write(seen(2))
        for number in range(20):
            sink.write(step_with(number))
        until(lambda: len(there.events) == 20)
        assert numbers_of(there.events) == list(range(20))
        until(lambda: there.topics.get("relaytrack/shop/cameras/west/people") == "2")
        assert there.topics["relaytrack/shop/cameras/west/state"] == "running"
        assert json.loads(there.topics["relaytrack/shop/events/enter/west"])["identity"] == 19
        found = json.loads(there.topics["homeassistant/sensor/relaytrack_shop/west_people/config"])
        assert found["state_topic"] == "relaytrack/shop/cameras/west/people"
        assert found["availability_topic"] == "relaytrack/shop/status"
        assert not any("pa55" in text for text in there.topics.values())
        with listening(port) as late:  # states are retained, events are not
            until(lambda: late.topics.get("relaytrack/shop/status") == "online")
            until(lambda: late.topics.get("relaytrack/shop/cameras/west/people") == "2")
            assert not late.events
        sink.camera_removed("west")
        until(lambda: there.topics["relaytrack/shop/cameras/west/state"] == "")
        sink.close()
        until(lambda: there.topics["relaytrack/shop/status"] == "offline")
        with listening(port) as after:
            until(lambda: "relaytrack/shop/status" in after.topics)
            assert after.topics == {"relaytrack/shop/status": "offline"}


def test_a_killed_process_is_told_by_the_last_will(tmp_path: Path) -> None:
    port = free_port()
    code = (
        "import sys, time; from pathlib import Path; from relaytrack.pipeline import plugins\n"
        "options = {'host': '127.0.0.1', 'port': int(sys.argv[1]), 'site': 'shop'}\n"
        "plugins.create_sink('mqtt', options, folder=Path(sys.argv[2])); time.sleep(60)"
    )
    with mosquitto(tmp_path, port), listening(port) as there:
        running = subprocess.Popen([sys.executable, "-c", code, str(port), str(tmp_path)])
        try:
            until(lambda: there.topics.get("relaytrack/shop/status") == "online", 60)
        finally:
            running.kill()
            running.wait()
        until(lambda: there.topics["relaytrack/shop/status"] == "offline")


def test_a_broker_that_goes_away_gets_everything_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    sink = mqtt(port, tmp_path, timeout=1)
    sink.camera_added(CameraConfig(url="x", name="west"))
    sink.write(step_with(1, 2))  # before there is any broker
    with mosquitto(tmp_path, port), listening(port) as first:
        until(lambda: len(numbers_of(first.events)) == 2)
    for number in range(3, 300):
        sink.write(step_with(number))
    with mosquitto(tmp_path, port), listening(port, "relaytrack/#") as second:
        until(lambda: len(numbers_of(first.events + second.events)) == 299)
        until(lambda: second.topics.get("relaytrack/shop/cameras/west/state") == "waiting")
        assert second.topics["relaytrack/shop/status"] == "online"
        sink.close()
    assert numbers_of(first.events + second.events) == list(range(1, 300))


def test_the_wrong_password_is_said_once_and_shown_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    port, passwords = free_port(), tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "bob", "right"], check=True, capture_output=True)
    passwords.chmod(0o644)
    with mosquitto(tmp_path, port, password_file=passwords):
        sink = mqtt(port, tmp_path, user="bob", password="wr0ng-one", timeout=0.5)
        until(lambda: "cannot be reached" in caplog.text)
        sink.close()
        assert "Not authorized" in caplog.text
        assert caplog.text.count("events wait") == 1
        assert "wr0ng" not in caplog.text
        sink = mqtt(port, tmp_path, user="bob", password="right")
        sink.write(step_with(1))
        until(lambda: len(sink.spool) == 0)
        sink.close()
