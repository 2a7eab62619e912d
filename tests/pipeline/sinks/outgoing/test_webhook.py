"""The webhook against a web server that fails, hangs, goes away and comes back."""

from __future__ import annotations

import hashlib
import hmac
import logging
from pathlib import Path

import pytest
from support.outgoing import free_port, numbers_of, receiver, step_with, until

from relaytrack.pipeline import plugins
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.sinks.outgoing import base
from relaytrack.pipeline.sinks.outgoing.base import OutgoingSink


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(base, "_LONGEST_PAUSE", 0.2)


def webhook(port: int, folder: Path, **options: object) -> OutgoingSink:
    sink = plugins.create_sink("webhook", {"url": f"http://127.0.0.1:{port}/hook", **options}, folder=folder)
    assert isinstance(sink, OutgoingSink)
    return sink


def test_events_arrive_signed_and_in_order(tmp_path: Path) -> None:
    with receiver() as there:
        sink = webhook(there.port, tmp_path, secret="k3y", headers={"Authorization": "Bearer t"}, batch=2)
        for number in range(10):
            sink.write(step_with(number))
        until(lambda: len(there.events) == 10)
        sink.close()
        sink.close()
    assert numbers_of(there.events) == list(range(10))
    for headers, body in zip(there.headers, there.bodies, strict=True):
        signed = headers["X-Relaytrack-Timestamp"].encode() + b"." + body
        assert headers["X-Relaytrack-Signature"] == "sha256=" + hmac.new(b"k3y", signed, hashlib.sha256).hexdigest()
        assert headers["Authorization"] == "Bearer t"


def test_a_receiver_that_fails_hangs_and_redirects_gets_everything_in_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with receiver(answers=[500, None, "hang", 302, 503, 401]) as there:
        sink = webhook(there.port, tmp_path, timeout=0.3, batch=3)
        for number in range(7):
            sink.write(step_with(number))
        until(lambda: len(numbers_of(there.events)) == 7)
        sink.close()
    assert numbers_of(there.events) == list(range(7))
    told = [record.getMessage() for record in caplog.records]
    assert told == ["webhook: answer 500; events wait and are sent again", "webhook takes events again"]


def test_what_waits_outlives_a_restart(tmp_path: Path) -> None:
    port = free_port()
    sink = webhook(port, tmp_path)
    sink.write(step_with(1, 2, 3))
    sink.close()
    sink = webhook(port, tmp_path)
    sink.write(step_with(4))
    with receiver(port) as there:
        until(lambda: len(there.events) == 4)
        sink.close()
    assert numbers_of(there.events) == [1, 2, 3, 4]


def test_events_that_are_refused_for_good_hold_up_no_others(tmp_path: Path) -> None:
    with receiver(answers=[422] * 5) as there:
        sink = webhook(there.port, tmp_path, batch=1)
        sink.write(step_with(1, 2))
        until(lambda: len(there.events) == 2)
        sink.close()
    assert [event["event"] for event in there.events] == ["dropped", "enter"]
    assert there.events[0]["count"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "ftp://user:pa55@host/"}, "url: not an http or https address"),
        ({}, "url: is missing"),
        ({"url": "http://h/", "secrets": "x"}, "unknown key 'secrets', did you mean 'secret'?"),
        ({"url": "http://h/${NOT_SET}"}, "environment variable NOT_SET is not set"),
        ({"url": "http://h/", "site": "a/b"}, "site: "),
    ],
)
def test_wrong_options_are_one_line_without_secrets(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        plugins.create_sink("webhook", options, folder=tmp_path)
    assert message in str(error.value)
    assert "pa55" not in str(error.value)


def test_a_run_without_a_folder_needs_a_file_for_the_spool(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name a file for unsent events \(spool\)"):
        plugins.create_sink("webhook", {"url": "http://h/"}, folder=None)
    sink = plugins.create_sink("webhook", {"url": "http://h/", "spool": str(tmp_path / "x.db")}, folder=None)
    sink.close()
    assert (tmp_path / "x.db").exists()
