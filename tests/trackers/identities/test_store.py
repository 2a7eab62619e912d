"""Identities that outlive the process."""

import errno
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pytest

from relaytrack.trackers import IdentityAssociator
from relaytrack.trackers.identities import CameraTracks, IdentityStore, StoreError
from relaytrack.trackers.identities.store_file import store_errors
from relaytrack.trackers.identities.store_rows import StoredTrack


def look(seed, size=32):
    vector = np.random.default_rng(seed).normal(size=size)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def view(camera, moment, ids, seeds):
    count = len(ids)
    boxes = np.tile(np.array([10, 10, 50, 110], np.float32), (count, 1)) + 60 * np.arange(count)[:, None]
    looks = np.stack([look(seed) for seed in seeds])
    return CameraTracks(camera, moment, np.array(ids), boxes.astype(np.float32), np.ones(count, np.float32), looks)


def test_a_second_run_takes_up_the_identities(tmp_path):
    path = tmp_path / "people.db"
    with IdentityStore(path) as store:
        run = IdentityAssociator(store=store)
        for step in range(20):
            run.update([view("a", step / 5, [1, 2, 3, 4, 5], [1, 2, 3, 4, 5])])
        first = run.finalize()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with IdentityStore(path) as store:
        run = IdentityAssociator(store=store)
        for step in range(20):
            run.update([view("a", step / 5, [1, 2, 3], [4, 9, 2])])
        second = run.finalize()
        assert second["a", 1] == first["a", 4]
        assert second["a", 3] == first["a", 2]
        assert second["a", 2] not in first.values()
        everyone = store.identities()
        assert {item.identity for item in everyone} == set(first.values()) | set(second.values())
        assert store.identities(camera="b") == []
        assert {item.tracks for item in everyone if item.identity == first["a", 4]} == {2}


@pytest.mark.parametrize("retain", [None, 3600.0])
def test_a_store_is_written_while_nobody_has_an_embedding(tmp_path, retain):
    """Fault: a site with a store ended when it was to save and no track had been embedded yet."""
    box, score, blank = np.array([[0.0, 0, 40, 100]], np.float32), np.ones(1, np.float32), np.full((1, 32), np.nan)
    with IdentityStore(tmp_path / "people.db", retain=retain) as store:
        run = IdentityAssociator(store=store)
        run.update([CameraTracks("a", 0.0, np.zeros(0, np.int64), box[:0], score[:0], np.zeros((0, 32), np.float32))])
        run.update([CameraTracks("a", 1.0, np.array([1]), box, score, blank.astype(np.float32))])
        run.finalize()
        assert [item.camera for item in store.tracks()] == ["a"]


def test_a_store_in_memory_makes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with IdentityStore(":memory:") as store:
        run = IdentityAssociator(store=store)
        for step in range(20):
            run.update([view("a", step / 5, [1], [1])])
        run.finalize()
    assert list(tmp_path.iterdir()) == []


def test_forgetting_overwrites_the_bytes(tmp_path):
    path = tmp_path / "people.db"
    marker = np.arange(512, dtype=np.float16).tobytes()
    feature = np.frombuffer(marker, np.float16).astype(np.float32)
    with IdentityStore(path) as store:
        store.begin()
        store.write([StoredTrack("a", 1, 7, 0.0, 1.0, 5, feature), StoredTrack("a", 2, 8, 0.0, 1.0, 5, None)], 9)
        assert any(marker[:64] in file.read_bytes() for file in tmp_path.iterdir())
        assert store.forget([7]) == 1
        assert not any(marker[:64] in file.read_bytes() for file in tmp_path.iterdir())
        assert [item.identity for item in store.identities()] == [8]
        assert store.following() == 9


def test_forgetting_is_done_wholly_or_not_at_all(tmp_path):
    """Fault: a kill could leave a camera's sum, which the next `forget` did not find any more."""
    path = tmp_path / "people.db"
    with IdentityStore(path) as store:
        store.begin()
        store.write([StoredTrack("a", 1, 7, 0.0, 1.0, 5, look(1))], 8, {"a": (1.0, np.asarray(look(1), float))})
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("CREATE TRIGGER stop BEFORE DELETE ON cameras BEGIN SELECT RAISE(ABORT, 'cut'); END")
        with pytest.raises(StoreError, match="cut"):
            store.forget([7])
        assert [item.identity for item in store.identities()] == [7]
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DROP TRIGGER stop")
        assert (store.forget([7]), store.identities(), store.cameras()) == (1, [], {})


def test_thin_keeps_the_latest_tracks(tmp_path):
    with IdentityStore(tmp_path / "people.db") as store:
        store.begin(origin=1000.0)
        store.write([StoredTrack("a", n, 1 + n % 2, n, n + 0.5, 3, None) for n in range(10)], 3)
        store.thin(2)
        assert sorted(item.track for item in store.tracks()) == [6, 7, 8, 9]
        store.thin(2, before=1000 + 9.0)
        assert sorted(item.track for item in store.tracks()) == [7, 9]


def test_a_store_lets_go_of_people_of_long_ago(tmp_path):
    """Fault: embeddings of a live run stayed in its store for good."""
    feature = np.ones(4, np.float32)
    path = tmp_path / "people.db"
    with IdentityStore(path, retain=3600.0) as store:
        store.begin(origin=1e9)
        many = [StoredTrack("a", 100 + n, 3, n, n + 1.0, 3, feature) for n in range(300)]
        store.write([StoredTrack("a", 1, 1, 0.0, 1.0, 3, feature), *many], 4)
        assert {item.identity: item.tracks for item in store.identities()} == {1: 1, 3: 100}
        store.write([StoredTrack("a", 2, 2, 3700.0, 3702.0, 3, feature)], 4)
        assert {item.identity for item in store.identities()} == {2, 3}
        store.write([StoredTrack("a", 3, 2, 4200.0, 4800.0, 3, feature)], 4)
        assert {item.identity for item in store.identities()} == {2}
        assert store.following() == 4, "no number is given twice"
    with IdentityStore(path) as store:
        store.begin(origin=2e9)
        store.write([StoredTrack("a", 4, 4, 0.0, 1.0, 3, feature)], 5)
        assert {item.identity for item in store.identities()} == {2, 4}, "without `retain` everything is kept"


def test_what_is_no_store_is_refused(tmp_path):
    bad = tmp_path / "notes.txt"
    bad.write_text("not a database, " * 100)
    with pytest.raises(StoreError, match=r"notes\.txt"):
        IdentityStore(bad)
    with pytest.raises(StoreError, match=r"missing.*\(No such file or directory\)$"):
        IdentityStore(tmp_path / "missing" / "people.db")
    newer = tmp_path / "newer.db"
    with closing(sqlite3.connect(newer)) as database, database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version 99"):
        IdentityStore(newer)


def test_kill_loses_at_most_the_last_second(tmp_path):
    path = tmp_path / "people.db"
    script = f"""
import time, numpy as np
from relaytrack.trackers import IdentityAssociator
from relaytrack.trackers.identities import CameraTracks, IdentityStore
run = IdentityAssociator(store=IdentityStore({str(path)!r}))
rng = np.random.default_rng(0)
begun = time.monotonic()
for step in range(100000):
    looks = rng.normal(size=(1, 32)).astype(np.float32)
    looks /= np.linalg.norm(looks)
    box = np.array([[10, 10, 50, 110]], np.float32)
    run.update([CameraTracks("a", step / 20, np.array([step]), box, np.ones(1, np.float32), looks)])
    print(step, time.monotonic(), flush=True)
    time.sleep(0.05)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    lines = []
    try:
        while len(lines) < 50:
            lines.append(process.stdout.readline())
    finally:
        os.kill(process.pid, signal.SIGKILL)
        killed = time.monotonic()
        lines += process.stdout.readlines()
        process.wait()
        process.stdout.close()
    seen = [line.split() for line in lines if len(line.split()) == 2]
    early = [int(step) for step, moment in seen if float(moment) < killed - 1.0]
    assert early
    with IdentityStore(path) as store:
        assert set(early) <= {item.track for item in store.tracks()}
        check = store._db.execute("PRAGMA integrity_check").fetchone()
    assert check == ("ok",)


def test_a_store_that_cannot_be_written_for_a_while_is_written_later(tmp_path, monkeypatch, caplog):
    """Fault: a moment without space on the disk ended a run whose other outputs are left out or tried again."""
    monkeypatch.setattr("relaytrack.trackers.identities.keeping._PAUSE", 0.0)
    path = tmp_path / "people.db"
    store = IdentityStore(path, every=0.0)
    associator = IdentityAssociator(store=store)
    store._db.execute("PRAGMA query_only = ON")  # as when the disk is full
    for moment in range(20):
        associator.update([view("a", moment / 10, [1], [1])])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "kept in memory" in caplog.text
    assert store.tracks() == []
    store._db.execute("PRAGMA query_only = OFF")
    associator.update([view("a", 2.0, [1], [1])])
    assert "works again" in caplog.text
    assert [track.track for track in store.tracks()] == [1]
    store._db.execute("PRAGMA query_only = ON")
    associator.update([view("a", 2.1, [1], [1])])
    with pytest.raises(StoreError):  # nothing would be written any more: that must not pass in silence
        associator.finalize()
    store.close()


@pytest.mark.parametrize("path", [None, 3, "a\0b"])
def test_what_is_no_path_is_no_store(path):
    with pytest.raises(StoreError, match=r"file|null character"):
        IdentityStore(path)


def test_a_used_up_quota_is_called_so(tmp_path, monkeypatch):
    """Fault: SQLite says "disk I/O error" of everything that it does not know."""
    unknown = sqlite3.OperationalError("disk I/O error")
    unknown.sqlite_errorname = "SQLITE_IOERR_WRITE"

    def full(**_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    path = tmp_path / "people.db"
    with pytest.raises(StoreError, match=r"people\.db: disk I/O error$"), store_errors(path):
        raise unknown
    monkeypatch.setattr("relaytrack.trackers.identities.store_file.TemporaryFile", full)
    with pytest.raises(StoreError, match=r"people\.db: disk I/O error: Disk quota exceeded$"), store_errors(path):
        raise unknown
    with pytest.raises(StoreError, match=r"no such table"), IdentityStore(path) as store, store_errors(path):
        store._db.execute("SELECT 1 FROM nowhere")


def test_a_camera_may_have_a_comma_in_its_name(tmp_path):
    """Fault: the names of a person's cameras were cut at commas, and such a camera was never found."""
    with IdentityStore(tmp_path / "people.db") as store:
        store.begin()
        store.write([StoredTrack(camera, 1, 1, 0.0, 1.0, 3, None) for camera in ("hall, north", 'the "gate"')], 2)
        (person,) = store.identities(camera="hall, north")
        assert person.cameras == ("hall, north", 'the "gate"')
        assert store.identities(camera="hall") == []
