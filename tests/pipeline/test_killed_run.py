"""A live run that is killed with signal 9, and goes on in its folder."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.dates import by_start
from tests.support.world import wait_for

TESTS = Path(__file__).resolve().parents[1]
PROGRAM = """
import sys
sys.path[:0] = [sys.argv[2], sys.argv[2] + "/.."]
from support.world import Eyes, Looks, Walk
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.results.identities import stored_colors
config = Config.model_validate({"output": {"dir": sys.argv[1], "resume": True, "trail": 0, "segment_minutes": 0.02}})
count = int(sys.argv[3]) or None
Pipeline(config, sources=[Walk("a", count, live=True, fps=20)], detector=Eyes(), embedder=Looks()).run()
"""


def begin(out: Path, frames: int = 0) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", PROGRAM, str(out), str(TESTS), str(frames)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})


def listed(out: Path) -> dict[int, dict[str, object]]:
    content = json.loads((out / "identities.json").read_text())
    return {entry["id"]: entry for entry in content["identities"]}


def lines(out: Path) -> int:
    """How many boxes were written."""
    return sum(path.read_bytes().count(b"\n") for path in (out / "tracks" / "a").glob("*.txt"))


def test_ids_and_colours_go_on_after_kill_9(tmp_path: Path) -> None:
    out = tmp_path / "o"
    run = begin(out)
    try:
        assert wait_for(lambda: (out / "identities.json").exists() and listed(out) and lines(out) > 60, 150)
    except BaseException:
        run.kill()
        raise
    before = listed(out)
    # the colour that a person has is not the usual one of the number: it must come from the file
    content = json.loads((out / "identities.json").read_text())
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=30)
    content["identities"][0]["color"] = [1, 2, 250]
    (out / "identities.json").write_text(json.dumps(content))
    zero = json.loads((out / "run.json").read_text())["clock_zero"]
    segments = set((out / "tracks" / "a").iterdir())
    assert json.loads((out / "run.json").read_text())["final"] is False
    *whole, newest = [path for _, path in by_start((out / "video" / "a").iterdir())]
    assert whole
    for path in (*whole, newest):
        with av.open(str(path)) as video:
            count = sum(1 for _ in video.decode(video=0))
            assert count > 0 or path == newest, "every video plays; the newest may have begun this moment"
    again = begin(out, 30)
    _, said = again.communicate(timeout=150)
    assert again.returncode == 0, said
    after = listed(out)
    assert list(after) == list(before) == [1], "the same person"
    assert after[1]["color"] == [1, 2, 250]
    tracks = [track["track"] for track in after[1]["tracks"]]  # type: ignore[index, union-attr, call-overload]
    assert len(tracks) == len(set(tracks)) >= 2, "ids are not used twice"
    assert json.loads((out / "run.json").read_text())["clock_zero"] == zero
    assert segments < set((out / "tracks" / "a").iterdir())
    newest = max((out / "video" / "a").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    with av.open(str(newest)) as video:
        images = [frame.to_ndarray(format="rgb24").astype(int) for frame in video.decode(video=0)]
    assert max((np.abs(image - [1, 2, 250]).max(axis=2) < 60).sum() for image in images) > 20, "and it is drawn"
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events].count("identity") == 1


def test_a_clock_that_was_set_back_does_not_take_the_run_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: a start after the computer's clock was set back wrote times before those of the last start."""
    from tests.pipeline.test_resume import start

    out = tmp_path / "o"
    monkeypatch.setattr("support.world.START", time.monotonic())
    start(out)
    last = max(path.stat().st_mtime for path in out.rglob("*.txt"))
    set_back = partial(RunClock, now=lambda: time.time() - 3600.0)
    monkeypatch.setattr("relaytrack.pipeline.engine.resuming.RunClock", set_back)
    with caplog.at_level(logging.WARNING):
        run = start(out)
    assert re.search(r"clock is 3[56]\d\d s behind", caplog.text)
    zero = json.loads((out / "run.json").read_text())["clock_zero"]
    now = run.status().time
    assert now is not None
    assert last - zero < 60


def test_the_clock_goes_on_from_the_last_start() -> None:
    ticks = iter([100.0, 101.5])
    clock = RunClock(zero=1000.0, least=50.0, now=lambda: 1010.0, tick=lambda: next(ticks))
    assert clock.behind == 40.0
    assert clock.now() == 51.5
    forward = RunClock(zero=1000.0, least=50.0, now=lambda: 1090.0, tick=lambda: 100.0)
    assert (forward.behind, forward.now()) == (0.0, 90.0)


def test_a_clock_that_is_set_while_the_run_goes_on_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relaytrack.pipeline.config.schema import Config
    from relaytrack.pipeline.engine import Pipeline
    from tests.support.world import Eyes, Looks, Walk

    class Source(Walk):
        """A camera whose frames are timed as those of the real ones are."""

    config = Config.model_validate({"output": {"dir": str(tmp_path / "o"), "video": False, "segment_minutes": 0.02}})
    run = Pipeline(config, sources=[Source("a", 80, live=True, fps=20)], detector=Eyes(), embedder=Looks()).start()
    real = time.time
    assert wait_for(lambda: run.status().identities == 1)
    monkeypatch.setattr(time, "time", lambda: real() - 3600.0)
    run.join(60)
    times = [json.loads(line)["time"] for line in (tmp_path / "o/events.jsonl").read_text().splitlines()]
    assert times
    paths = sorted((tmp_path / "o/tracks/a").iterdir())
    assert len(paths) >= 2
    assert paths == [path for _, path in by_start(paths)], "a listing shows them in their order"
    lines = [path.read_bytes() for path in paths]
    first = [int(text.split(b",", 1)[0]) for text in lines if text]
    assert first == sorted(first), "segments follow each other"
