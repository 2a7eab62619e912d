"""A store of identities that lies in the run's own folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.trackers import IdentityStore
from relaytrack.trackers.identities.store_rows import StoredTrack


def run(samples: Path, out: Path, store: Path, *more: str) -> int:
    words = ["run", "--source", str(samples / "west.mp4"), "--out", str(out), "--set", f"output.store={store}"]
    return main([*words, "--no-video", "--device", "cpu", "--max-seconds", "1", *more])


def keep_somebody(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with IdentityStore(path) as store:
        store.begin()
        store.write([StoredTrack("a", 1, 1, 0.0, 1.0, 5, np.eye(1, 512)[0])], 2)


def test_a_run_over_files_makes_its_folder_before_the_store(samples: Path, tmp_path: Path) -> None:
    """Fault: the store could not be opened, since its folder was made after it."""
    out = tmp_path / "o"
    assert run(samples, out, out / "people.db") == 0
    assert (out / "people.db").exists()
    assert not (out / "people.db-lock").exists()
    assert run(samples, out, out / "people.db", "--overwrite") == 0
    with IdentityStore(out / "people.db") as store:
        assert store._db.execute("SELECT count(*) FROM runs").fetchone() == (2,)


@pytest.mark.parametrize("name", ["identities.db", "people.db"])
def test_a_start_that_fails_keeps_the_people_who_were_known(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: a live run whose camera could not be opened deleted a store called identities.db with everybody in it."""
    out = tmp_path / "o"
    words = ["run", "--source", "rtsp://127.0.0.1:1/x", "--out", str(out), "--device", "cpu", "--overwrite"]
    words += ["--set", f"output.store={out / name}", "--set", "input.on_start_failure=fail"]
    assert main(words) == 2
    assert not out.exists(), "nothing was there before"
    keep_somebody(out / name)
    (out / ".relaytrack.json").write_text('{"format": 1, "cameras": ["cam1"]}\n')
    assert main(words) == 2
    with IdentityStore(out / name) as store:
        assert [one.identity for one in store.identities()] == [1]
