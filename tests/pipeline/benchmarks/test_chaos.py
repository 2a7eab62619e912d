"""Chaos in its short form, and what it found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest

from relaytrack.pipeline.benchmarks.chaos import kills
from relaytrack.pipeline.benchmarks.chaos.folder_checks import check_folder, identities_of
from relaytrack.pipeline.cli import bench_chaos
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.folder import MARKER, check_output, prepare_output
from relaytrack.pipeline.results.result_names import PARTIAL
from relaytrack.trackers.identities.store import IdentityStore
from relaytrack.trackers.identities.store_file import StoreError
from relaytrack.trackers.identities.store_rows import StoredTrack


def chaos(*words: object) -> dict[str, Any]:
    """Run the command in a process of its own: it forks."""
    command = [sys.executable, "-m", "relaytrack.pipeline.cli.main", "bench", "chaos", "--json", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def test_killed_starved_and_lost_in_short(tmp_path: Path) -> None:
    found = chaos("--kills", 4, "--disks", 4, "--faults", 8, "--seed", 3, "--out", tmp_path / "o")
    assert found["kills"]["kills"] == 4
    assert sum(found["disks"]["kinds"].values()) == 4
    assert found["connections"]["faults"] == 8
    assert found["connections"]["wait_longest"] < found["connections"]["limit_seconds"]
    assert [found[part]["failures"] for part in ("kills", "disks", "connections")] == [[], [], []]


@pytest.mark.needs("rtsp")
def test_counts_by_kind_read_plainly() -> None:
    shown = bench_chaos._table({"connections": {"faults": 3, "kinds": {"reset": 2, "freeze": 1}, "failures": ["a 1"]}})
    assert shown == "connections: faults 3, kinds (reset 2, freeze 1)\n  failures: 1\n  a 1"


def test_the_last_start_has_time_to_see_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: on a busy machine it was ended before its first frame, which counted as people who are lost."""
    ready = []

    class SlowRun:
        said = ""

        def __init__(self, folder: Path) -> None:
            self._lines = folder / "tracks" / "a" / "1.txt"
            Timer(2.0, self._follow).start()

        def _follow(self) -> None:
            self._lines.parent.mkdir(parents=True)
            self._lines.write_text("1,1,0,0,9,9,1,-1,-1,-1\n")

        def stop(self) -> None:
            ready.append(self._lines.exists())

        def wait(self, limit: float) -> int:
            return 0

    monkeypatch.setattr(kills, "ChildRun", SlowRun)
    monkeypatch.setattr(kills, "check_folder", lambda *_: [])
    monkeypatch.setattr(kills, "identities_of", lambda _: {1, 2})
    assert kills._last_start(tmp_path) == []
    assert ready == [True]


def test_lost_rtsp_cameras_are_back_in_time(tmp_path: Path, samples: Path) -> None:
    figures = chaos("--faults", 8, "--rtsp", samples / "west.mp4", "--out", tmp_path / "o")["connections"]
    assert (figures["faults"], figures["protocol"]) == (8, "rtsp")


def test_a_folder_whose_marking_was_killed_can_be_used_again(tmp_path: Path) -> None:
    """Fault (kill -9 in the first moment): only `.relaytrack.json.partial` was there, and every start was refused."""
    folder = tmp_path / "o"
    folder.mkdir()
    (folder / (MARKER + PARTIAL)).write_bytes(b"")
    check_output(folder, resume=True)
    check_output(folder)
    prepare_output(Config.model_validate({"output": {"dir": str(folder)}}))
    assert json.loads((folder / MARKER).read_text())["format"] == 1
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "letter.partial").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        check_output(tmp_path / "p", resume=True)


def test_a_full_disk_is_told_by_its_name(tmp_path: Path) -> None:
    """Fault: SQLite ends a transaction itself when the disk is full; the error said "cannot rollback"."""
    store = IdentityStore(tmp_path / "people.db")
    store._db.execute("PRAGMA max_page_count = 12")
    vectors = np.random.default_rng(0).normal(size=(400, 512)).astype(np.float32)
    with pytest.raises(StoreError, match="full"):
        store.write([StoredTrack("a", n, 1, 0.0, 1.0, 5, vector) for n, vector in enumerate(vectors)], 2)
    store.close()


def test_the_checks_find_what_is_broken(tmp_path: Path) -> None:
    for name in ("tracks/a", "global/a", "video/a"):
        (tmp_path / name).mkdir(parents=True)
    lines = b"".join(b"%d,1,1,1,9,9,0.9,-1,-1,-1\n" % frame for frame in range(1, 61))
    (tmp_path / "tracks/a/s.txt").write_bytes(lines)
    (tmp_path / "global/a/s.txt").write_bytes(lines)
    assert check_folder(tmp_path, 20.0) == []
    assert identities_of(tmp_path) == {1}
    (tmp_path / "video/a/s.mp4").write_bytes(b"")
    assert "0 pictures play, the text tells of 60 frames" in check_folder(tmp_path, 20.0)[0]
    (tmp_path / "video/a/s.mp4").unlink()
    (tmp_path / "global/a/s.txt").write_bytes(lines[:-3])
    (tmp_path / "events.jsonl").write_bytes(b'{"a": 1}\n{"b"\n')
    (tmp_path / "run.json").write_text("{")
    (tmp_path / "p.db").write_bytes(b"SQLite format 3\x00" + bytes(range(256)) * 20)
    assert len(check_folder(tmp_path, 20.0)) == 4
