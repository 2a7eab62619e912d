"""Requests that are asked for through a folder: carried out, refused, and a file that is none."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.results.requests import NAME, Request, Requests
from relaytrack.pipeline.runtime.request_watch import RequestWatch
from tests.support.world import wait_for


def test_each_request_gets_its_answer(tmp_path: Path) -> None:
    def carry_out(request: Request) -> str:
        if request.wanted["person"] == 1:
            raise InputError("there is no person 1")
        if request.wanted["person"] == 2:
            raise KeyError("a fault of ours")
        return "done so"

    requests = Requests(tmp_path)
    numbers = [requests.ask("forget", {"person": person}) for person in (1, 2, 3)]
    watch = RequestWatch(requests, carry_out)
    watch.start()
    assert wait_for(lambda: not requests.open())
    watch.close()
    found = [requests.get(number) for number in numbers]
    assert [one.state for one in found] == ["refused", "refused", "done"]
    assert [one.answer for one in found] == ["there is no person 1", "KeyError: 'a fault of ours'", "done so"]


def test_a_file_that_holds_no_requests_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / NAME).write_bytes(b"something else" * 100)
    watch = RequestWatch(Requests(tmp_path), lambda request: "")
    with caplog.at_level(logging.WARNING):
        watch.start()
        assert wait_for(lambda: "not a database" in caplog.text)
        time.sleep(1.2)
        watch.close()
    assert caplog.text.count("not a database") == 1
