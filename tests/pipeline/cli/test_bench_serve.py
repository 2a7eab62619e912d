"""`relaytrack bench serve` on a short run: its figures are there, and what does not depend on the machine holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from relaytrack.pipeline.cli.main import main

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")


def measured(
    capsys: pytest.CaptureFixture[str], part: str, name: str, seconds: int, enough: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Figures of one part, measured longer and longer until there are enough: a busy machine takes its time."""
    while True:
        code = main(["bench", "serve", "--only", part, "--seconds", str(seconds)])
        said = capsys.readouterr()
        figures = json.loads(said.out)[name] if code == 0 else None
        if figures is not None and enough(figures):
            return dict(figures)
        assert seconds < 50, said.err or figures
        seconds *= 3


@pytest.mark.needs("mosquitto")
def test_an_event_reaches_a_subscriber(capsys: pytest.CaptureFixture[str]) -> None:
    figures = measured(capsys, "mqtt", "mqtt_milliseconds", 12, lambda found: found["count"] > 0)
    assert figures["count"] > 0
    assert 0 <= figures["p50"] <= figures["p95"] < 5000
    assert figures["from_decoding_p50"] > figures["p50"], "the networks' time is in it"


@pytest.mark.browser
@pytest.mark.needs("chromium")
def test_the_page_shows_what_has_just_been_seen(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("playwright.sync_api")
    figures = measured(capsys, "glass", "glass_to_glass_seconds", 6, lambda found: found["pictures"] > 3)
    assert figures["pictures"] > 3
    assert figures["unreadable"] < 0.9
    assert 0.02 < figures["p50"] < 5.0, "0.2 on a machine with time"
    assert 0.0 < figures["first_pictures"] < 30


def test_all_parts_give_figures_and_cameras_leave_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--seconds", "2", "--rate", "20", "--viewers", "3", "--repeats", "1", "--rounds", "10"]
    for part in ("api", "picture", "viewers", "cameras"):
        arguments += ["--only", part]
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
