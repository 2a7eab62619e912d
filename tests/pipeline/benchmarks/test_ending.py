"""Measurements of hours that are told to end: they judge what they have."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.world import Eyes, Looks

from relaytrack.pipeline.benchmarks.ending import Ending, ended_by_signals
from relaytrack.pipeline.benchmarks.recorded_soak import soak_recorded
from relaytrack.pipeline.benchmarks.soak import SoakPlan, soak
from relaytrack.pipeline.benchmarks.synthetic import crowd
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.replay.detection_cache import write_cache


def ended(number: signal.Signals, ready: Callable[[], bool], *words: object) -> tuple[int, dict[str, Any], str]:
    """Start a measurement as a shell does behind `&`, give it a signal once it is at work; its code and figures."""
    command = [sys.executable, "-m", "relaytrack.pipeline.cli.main", "bench", *map(str, words), "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as process:
        try:
            until = time.monotonic() + 90
            while not ready():
                assert time.monotonic() < until
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.05)
            process.send_signal(number)
            out, errors = process.communicate(timeout=90)
        finally:
            process.kill()
    return process.returncode, json.loads(out), errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_soak_of_recorded_frames_that_is_told_to_end_gives_its_verdict(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Fault: it ended without a word, and so did SIGINT where the shell that started it ignores that."""
    cache, csv = tmp_path / "a.npz", tmp_path / "o" / "recorded.csv"
    write_cache(cache, crowd(6, frames=30))

    def at_work() -> bool:
        return csv.exists() and csv.read_bytes().count(b"\n") > 3

    words = ("--recorded", 40_000, "--caches", cache, "--out", tmp_path / "o")
    code, figures, said = ended(number, at_work, "soak", *words)
    assert code in (0, 1), said
    assert figures["ended_early"] == f"{figures['frames']} of 40000 frames"
    assert figures["verdict"]
    assert f"{number.name}: ends early" in said
    assert json.loads((tmp_path / "o" / "recorded.json").read_text()) == figures


def test_chaos_that_is_told_to_end_tells_what_was_done(tmp_path: Path) -> None:
    begun = time.monotonic()
    words = ("--faults", 5000, "--cameras", 2, "--disks", 5, "--out", tmp_path / "o")
    code, figures, said = ended(signal.SIGTERM, lambda: time.monotonic() > begun + 8, "chaos", *words)
    assert code == 0, said
    assert figures["ended_early"] is True
    assert figures["disks"]["moments"] <= 5


@pytest.mark.parametrize("rate", [5.0, None])
def test_a_live_soak_ends_when_it_is_told(make_video: Callable[..., Path], tmp_path: Path, rate: float | None) -> None:
    """Also while it finds out what the machine holds (20 s)."""
    plan = SoakPlan(
        [make_video(frames=12, rate=10)], cameras=1, seconds=600.0, rate=rate, every=0.2, warm_up=0.5, transport="file"
    )
    ending = Ending()
    timer = threading.Timer(3.0, ending.tell)
    timer.start()
    begun = time.monotonic()
    figures = soak(Config(), plan, tmp_path, lambda text: None, ending=ending, detector=Eyes(), embedder=Looks())
    timer.join()
    assert time.monotonic() - begun < 18
    assert figures["ended_early"] == f"{figures['minutes']} of 10 minutes"
    assert figures["verdict"]


def test_a_soak_that_reaches_its_end_does_not_say_that_it_was_early(tmp_path: Path) -> None:
    figures = soak_recorded(Config(), [crowd(6, frames=30)], 100, tmp_path, lambda text: None)
    assert "ended_early" not in figures


def test_a_second_interrupt_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt), ended_by_signals(said.append) as ending:  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        assert ending.told
        assert ending.wait(60.0)
        signal.raise_signal(signal.SIGINT)  # as by `timeout -s INT`
        monkeypatch.setattr("relaytrack.pipeline.benchmarks.ending._TOGETHER", 0.0)
        signal.raise_signal(signal.SIGINT)
    assert said == ["SIGINT: ends early, and judges what there is so far"]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
