"""Corrections of one run that overlap; fault: the later one wrote what it had read, and who was forgotten was back."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from support.finished_run import finished_run

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.errors import InputError, OutputError
from relaytrack.pipeline.postprocess import finalize as finalize_module
from relaytrack.pipeline.postprocess.corrections import forget, merge, open_run
from relaytrack.pipeline.results import alone
from relaytrack.pipeline.results.alone import alone_in
from relaytrack.pipeline.results.run_lock import LOCK


def _people(folder: Path) -> list[int]:
    return [person["id"] for person in json.loads((folder / "identities.json").read_text())["identities"]]


def test_who_is_forgotten_while_videos_are_drawn_anew_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = finished_run(tmp_path)
    drawing = threading.Event()
    redraw = finalize_module.redraw

    def slow(*args: object) -> list[Path]:
        drawing.set()
        time.sleep(1.0)
        return redraw(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(finalize_module, "redraw", slow)
    merging = threading.Thread(target=main, args=(["merge", "--run", str(folder), "1", "3"],))
    merging.start()
    assert drawing.wait(20)
    assert main(["forget", "--run", str(folder), "2", "--videos", "delete"]) == 0
    merging.join()
    assert _people(folder) == [1]
    for kind in ("tracks", "global"):
        assert {line.split(",")[1] for line in (folder / kind / "a.txt").read_text().splitlines()} == {"1"}
    assert [path.name for path in (folder / "video").iterdir()] == ["b.mp4"], "both videos with the person are gone"
    assert not (folder / LOCK).exists()


def test_a_run_that_was_corrected_since_it_was_read_is_refused(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    first, second = open_run(folder), open_run(folder)
    forget(first, 2)
    with pytest.raises(InputError, match="was corrected meanwhile; look at it again"):
        merge(second, [1, 3])
    assert _people(folder) == [1, 3]


def test_another_one_is_waited_for_and_then_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "_PATIENCE", 0.3)
    found: list[BaseException] = []

    def other() -> None:
        try:
            with alone_in(tmp_path):
                found.append(AssertionError("two at once"))
        except OutputError as error:
            found.append(error)

    with alone_in(tmp_path), alone_in(tmp_path / "."):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "a run or another correction is at work there" in str(found[0])
    assert list(tmp_path.iterdir()) == []
    with alone_in(tmp_path):
        pass


def test_a_folder_without_a_run_gets_no_lock(tmp_path: Path) -> None:
    assert main(["forget", "--run", str(tmp_path), "1"]) == 2
    assert list(tmp_path.iterdir()) == []
