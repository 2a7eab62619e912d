"""`relaytrack bench serve` on a short run: its figures are there, and what does not depend on the machine holds."""

from __future__ import annotations

import json
import sys

import pytest

from relaytrack.pipeline.cli.main import main

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")


def test_all_parts_give_figures_and_cameras_leave_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--seconds", "2", "--rate", "20", "--viewers", "3", "--repeats", "1", "--rounds", "10"]
    assert main(["bench", "serve", *arguments]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["api_milliseconds"]["count"] == 40
    assert figures["api_milliseconds"]["p50"] <= figures["api_milliseconds"]["p99"]
    assert figures["first_picture_seconds"]["most"] < 30
    assert figures["viewers_cpu"]["pictures"] > 0.5
    first, *_, last = figures["cameras"]
    assert last["rounds"] == 10
    assert last["threads"] <= first["threads"] + 1
    assert last["files"] <= first["files"] + 2


def test_what_is_wrong_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "serve", "--rounds", "0"]) == 2
    assert "--rounds" in capsys.readouterr().err
