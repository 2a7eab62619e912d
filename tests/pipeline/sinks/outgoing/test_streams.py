"""Redis streams against redis-server, Kafka against librdkafka's own mock of a cluster."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from support.outgoing import free_port, numbers_of, server, step_with, until

from relaytrack.pipeline import plugins
from relaytrack.pipeline.sinks.outgoing import base
from relaytrack.pipeline.sinks.outgoing.base import OutgoingSink


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(base, "_LONGEST_PAUSE", 0.3)


def made(name: str, folder: Path, **options: object) -> OutgoingSink:
    sink = plugins.create_sink(name, options, folder=folder)
    assert isinstance(sink, OutgoingSink)
    return sink


@pytest.mark.needs("redis")
def test_a_redis_stream_gets_everything_also_after_a_time_without_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    redis = pytest.importorskip("redis")
    caplog.set_level(logging.WARNING)
    port = free_port()
    words = ["--port", str(port), "--dir", str(tmp_path), "--appendonly", "yes", "--requirepass", "s3cret"]
    sink = made("redis", tmp_path, url=f"redis://:s3cret@127.0.0.1:{port}/0", site="shop", timeout=1)
    sink.write(step_with(1, 2))
    until(lambda: "events wait" in caplog.text)

    def entries() -> list[dict[str, Any]]:
        with redis.Redis(port=port, password="s3cret") as client:
            return [json.loads(fields[b"data"]) for _, fields in client.xrange("relaytrack:shop:events")]

    with server("redis-server", words, port):
        until(lambda: len(entries()) == 2)
        sink.write(step_with(3))
        until(lambda: len(entries()) == 3)
    for number in range(4, 1300):
        sink.write(step_with(number))
    with server("redis-server", words, port):
        until(lambda: len(numbers_of(entries())) == 1299)
        assert numbers_of(entries()) == list(range(1, 1300))
        with redis.Redis(port=port, password="s3cret") as client:
            _, fields = client.xrevrange("relaytrack:shop:events", count=1)[0]
        assert (fields[b"event"], fields[b"camera"]) == (b"enter", b"west")
        assert json.loads(fields[b"data"])["id"] == fields[b"id"].decode()
        sink.close()
    assert "s3cret" not in caplog.text


def test_kafka_gets_a_cameras_events_in_order(tmp_path: Path) -> None:
    kafka = pytest.importorskip("confluent_kafka")
    cluster = kafka.Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 3, "log_level": 0})
    servers = ",".join(f"{broker.host}:{broker.port}" for broker in cluster.list_topics(timeout=10).brokers.values())
    sink = made("kafka", tmp_path, servers=servers, site="shop")
    for number in range(300):
        sink.write(step_with(number, camera="west" if number % 3 else "east"))
    until(lambda: len(sink.spool) == 0, 30)
    sink.close()
    consumer = kafka.Consumer(
        {"bootstrap.servers": servers, "group.id": "test", "auto.offset.reset": "earliest", "log_level": 0}
    )
    consumer.subscribe(["relaytrack.shop.events"])
    found: dict[str, list[int]] = {"west": [], "east": []}
    ids = set()

    def all_there() -> bool:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            event = json.loads(message.value())
            found[message.key().decode()].append(event["identity"])
            ids.add(dict(message.headers())["id"].decode())
        return len(ids) == 300

    until(all_there, 60)
    consumer.close()
    assert found["west"] == [number for number in range(300) if number % 3]
    assert found["east"] == [number for number in range(300) if not number % 3]


def test_kafka_brokers_that_are_away_cost_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kafka = pytest.importorskip("confluent_kafka")
    caplog.set_level(logging.WARNING)
    sink = made("kafka", tmp_path, servers=f"127.0.0.1:{free_port()}", site="shop", timeout=0.3)
    sink.write(step_with(1, 2))
    until(lambda: "the brokers do not take them" in caplog.text)
    assert len(sink.spool) == 2
    sink.close()
    cluster = kafka.Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 0})
    broker = next(iter(cluster.list_topics(timeout=10).brokers.values()))
    sink = made("kafka", tmp_path, servers=f"{broker.host}:{broker.port}", site="shop")
    until(lambda: len(sink.spool) == 0, 30)
    sink.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "send-kafka"]
