"""Requests that are asked for through a folder: carried out, refused, and a file that is none."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from relaytrack.pipeline.errors import InputError, OutputError
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
    numbers = [requests.ask("split", {"person": person}) for person in (1, 2, 3)]
    watch = RequestWatch(requests, carry_out)
    watch.start()
    assert wait_for(lambda: not requests.open())
    watch.close()
    found = [requests.get(number) for number in numbers]
    assert [one.state for one in found] == ["refused", "refused", "done"]
    assert [one.answer for one in found] == ["there is no person 1", "KeyError: 'a fault of ours'", "done so"]


def test_a_forgetting_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: a full disk, or a slow receiver, ended it for good."""
    monkeypatch.setattr("relaytrack.pipeline.runtime.request_watch._AGAIN", 0.1)
    tries, told = [], []

    def carry_out(request: Request) -> str:
        tries.append(request.state)
        if len(tries) < 4:
            raise OutputError("the disk is full" if len(tries) < 3 else "no rights")
        return "done so"

    requests = Requests(tmp_path)
    number = requests.ask("forget", {"person": 7})
    requests.note(number, "begun", plan="the plan")
    watch = RequestWatch(requests, carry_out, failed=lambda request, reason: told.append(reason))
    watch.start()
    assert wait_for(lambda: requests.get(number).state == "failed")
    assert requests.get(number).plan == "the plan"
    with pytest.raises(OutputError, match="it is tried again"):
        requests.answer(number, lambda: False, 1.0)
    assert wait_for(lambda: requests.get(number).state == "done")
    watch.close()
    assert tries == ["begun", "failed", "failed", "failed"]
    assert told == ["the disk is full", "no rights"]


def test_what_the_end_cuts_short_stays_for_the_next_start(tmp_path: Path) -> None:
    begun, ended = threading.Event(), threading.Event()

    def carry_out(request: Request) -> str:
        begun.set()
        ended.wait(10)
        raise OutputError("the store is closed")

    requests = Requests(tmp_path)
    number = requests.ask("forget", {"person": 7}, "begun")
    watch = RequestWatch(requests, carry_out, patience=0.1)
    watch.start()
    assert begun.wait(10)
    watch.close()
    ended.set()
    assert wait_for(lambda: not watch.running)
    assert requests.get(number).state == "begun"


def test_a_file_that_holds_no_requests_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / NAME).write_bytes(b"something else" * 100)
    watch = RequestWatch(Requests(tmp_path), lambda request: "")
    with caplog.at_level(logging.WARNING):
        watch.start()
        assert wait_for(lambda: "not a database" in caplog.text)
        time.sleep(1.2)
        watch.close()
    assert caplog.text.count("not a database") == 1
