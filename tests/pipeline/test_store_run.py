"""The store of identities in a whole run that is killed: what is kept, and that the next run goes on with it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from relaytrack.trackers import IdentityStore

RELAYTRACK = [sys.executable, "-m", "relaytrack.pipeline.cli.main", "run"]


def command(samples: Path, out: Path, store: Path, *more: str) -> list[str]:
    sources = [word for camera in ("west", "east") for word in ("--source", str(samples / f"{camera}.mp4"))]
    settings = ["--set", f"output.store={store}", "--device", "cpu", "--no-video"]
    return [*RELAYTRACK, *sources, "--out", str(out), *settings, *more]


def tracks_written(out: Path) -> dict[tuple[str, int], int]:
    """The last frame of each track in the text outputs."""
    found: dict[tuple[str, int], int] = {}
    for path in sorted((out / "tracks").glob("*.txt")):
        for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
            frame, track = line.split(",")[:2]
            found[path.stem, int(track)] = int(frame)
    return found


def test_kill_in_mid_run_loses_a_second_at_most_and_the_ids_go_on(samples: Path, tmp_path: Path) -> None:
    store, out = tmp_path / "people.db", tmp_path / "killed"
    process = subprocess.Popen(
        command(samples, out, store), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    kept: list[tuple[float, dict[tuple[str, int], int]]] = []
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None:
            kept.append((time.monotonic(), tracks_written(out)))
            if sum(len(now) >= 8 for _, now in kept) >= 15:  # some tracks, and a while after
                break
            time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        killed = time.monotonic()
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    early = [now for moment, now in kept if moment < killed - 1.0]
    assert early
    assert len(early[-1]) >= 4, "the run was killed before anybody was seen"
    with IdentityStore(store) as opened:
        assert opened._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        before = {(track.camera, track.track): track.identity for track in opened.tracks()}
        looks = {track.identity for track in opened.tracks() if track.feature is not None}
        following = opened.following()
    assert set(early[-1]) <= set(before)
    assert following > max(before.values())

    again = tmp_path / "again"
    done = subprocess.run(
        command(samples, again, store, "--max-seconds", "6"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    people = json.loads((again / "identities.json").read_text())["identities"]
    known = [person["id"] for person in people if person["id"] in looks]
    fresh = [person["id"] for person in people if person["id"] not in before.values()]
    assert len(known) >= len(people) / 2, f"of {len(people)} people {known} were known again"
    assert all(identity >= following for identity in fresh)
    with closing(sqlite3.connect(store)) as database, database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    database.close()
