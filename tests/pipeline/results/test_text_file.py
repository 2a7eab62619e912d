"""Text files of whole lines, and what happens when somebody takes them away while a run goes on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.world import Eyes, Keep, Looks, Walk

from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.events.schema import LeaveEvent
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.results import text_file
from relaytrack.pipeline.results.text_file import TextFile
from relaytrack.pipeline.sinks.events import EventsSink


@pytest.fixture(autouse=True)
def _every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_file, "_LOOK", 0.0)


def test_lines_are_appended_and_cut_ones_go(tmp_path: Path) -> None:
    file = TextFile(tmp_path / "a.txt")
    file.write(b"1\n2\n")
    file.close()
    with open(tmp_path / "a.txt", "ab") as other:
        other.write(b"cut off")
    file = TextFile(tmp_path / "a.txt", append=True)
    file.write(b"3\n")
    file.close()
    assert (tmp_path / "a.txt").read_bytes() == b"1\n2\n3\n"


def test_a_file_that_was_taken_away_is_told(tmp_path: Path) -> None:
    """Fault: all that followed went into a file that nobody can find."""
    file = TextFile(tmp_path / "a.txt")
    file.write(b"1\n")
    os.rename(tmp_path / "a.txt", tmp_path / "b.txt")
    for _ in range(2):
        with pytest.raises(OutputError, match=r"a\.txt: was deleted or moved while the run goes on"):
            file.write(b"2\n")
    file.close()


def test_events_that_were_moved_away_begin_anew(tmp_path: Path) -> None:
    sink = EventsSink(tmp_path)
    step = Step(0.0, events=(LeaveEvent(time=0.0, camera="a", track=1, identity=1, entered=0.0, frames=3),))
    sink.write(step)
    os.rename(tmp_path / "events.jsonl", tmp_path / "kept.jsonl")
    sink.write(step)
    assert (tmp_path / "events.jsonl").read_text() == (tmp_path / "kept.jsonl").read_text()
    sink.close()
    sink = EventsSink(tmp_path / "run")
    sink.write(step)
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(OutputError, match="was deleted or moved"):
        sink.write(step)
    sink.close()


@pytest.mark.parametrize("live", [False, True])
def test_a_run_whose_folder_was_taken_away_ends_with_a_line(tmp_path: Path, live: bool) -> None:
    """Fault: a live run went on for days, and nothing of what it found was kept."""

    class Remover(Keep):
        def write(self, step: Step) -> None:
            if len(self.steps) == 5:
                shutil.rmtree(tmp_path / "run", ignore_errors=True)
            super().write(step)

    config = {"output": {"dir": str(tmp_path / "run"), "video": False}}
    walk = Walk("a", None if live else 400, live=live)
    run = Pipeline(config, sources=[walk], detector=Eyes(), embedder=Looks(), sinks=[Remover()])
    with pytest.raises(OutputError, match="was deleted or moved while the run goes on"):
        run.run()
    if live:
        again = Pipeline(
            {"output": {"dir": str(tmp_path / "run"), "video": False, "resume": True}},
            sources=[Walk("a", 20, live=True)],
            detector=Eyes(),
            embedder=Looks(),
        )
        assert again.run().cameras["a"].frames > 0
