"""One run writes a store of identities at a time."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import numpy as np
import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.cluster.checkpoint import FencedError
from relaytrack.pipeline.cluster.identity_start import reason_of
from relaytrack.pipeline.cluster.site import open_desk
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError, OutputError
from relaytrack.pipeline.identity.making import create_identity_service
from relaytrack.pipeline.identity.store_lock import StoreLock, lock_path, need_free
from relaytrack.trackers import IdentityStore
from relaytrack.trackers.identities.store_rows import StoredTrack

HOLD = """
import sys
from relaytrack.pipeline.identity.store_lock import StoreLock
lock = StoreLock(sys.argv[1], sys.argv[2])
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holding(store: Path, run: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another process that writes the store."""
    command = [sys.executable, "-c", HOLD, str(store), run]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        try:
            yield other
        finally:
            other.kill()


def with_store(path: Path, **more: object) -> Config:
    return Config.model_validate({"output": {"store": str(path)}, **more})


def test_a_second_service_is_refused_and_told_who_holds_the_store(tmp_path):
    """Fault: two runs wrote one store and gave the same new numbers to different people."""
    path, link = tmp_path / "people.db", tmp_path / "link.db"
    link.symlink_to(path)
    first = create_identity_service(with_store(path), None)
    for name in (path, link):
        with pytest.raises(ConfigError, match=rf"{name.name}: another run writes it \(process {os.getpid()}, since 20"):
            create_identity_service(with_store(name), None)
        with pytest.raises(ConfigError, match="another run writes it"):
            need_free(name)
    first.close()
    need_free(path)
    assert not lock_path(path).exists()
    create_identity_service(with_store(link), None).close()


def test_corrections_and_readers_need_no_lock(tmp_path):
    path = tmp_path / "people.db"
    service = create_identity_service(with_store(path), None)
    with IdentityStore(path) as store:
        store.begin()
        store.write([StoredTrack("a", 1, 7, 0.0, 1.0, 5, np.eye(1, 512)[0])], 8)
        assert [one.identity for one in store.identities()] == [7]
        assert store.forget([7]) == 1
    service.close()


def test_a_process_that_is_killed_lets_the_store_go(tmp_path):
    path = tmp_path / "people.db"
    with holding(path) as other:
        with pytest.raises(ConfigError, match=rf"process {other.pid}, since"):
            StoreLock(path).acquire()
        other.kill()
        other.wait()
        assert lock_path(path).exists()
        need_free(path)
        lock = StoreLock(path)
        lock.acquire()
        with pytest.raises(ConfigError, match=rf"process {os.getpid()}, since"):
            StoreLock(path).acquire()
        lock.release()


def test_only_the_same_run_takes_its_store_over_from_a_process_that_hangs(tmp_path, caplog):
    path = tmp_path / "people.db"
    with holding(path, "site 1.0") as other:
        os.kill(other.pid, signal.SIGSTOP)
        for run in ("", "site 2.0"):
            with pytest.raises(ConfigError, match=f"process {other.pid}"):
                StoreLock(path, run).acquire(0.2)
        lock = StoreLock(path, "site 1.0")
        lock.acquire(0.2)
        assert f"process {other.pid}" in caplog.text
        with pytest.raises(ConfigError, match=f"process {os.getpid()}"):
            need_free(path)
        os.kill(other.pid, signal.SIGCONT)
        other.communicate("")  # it ends, and leaves its successor's file
        assert lock_path(path).exists()
        lock.release()


def test_the_desk_of_a_cluster_holds_the_store_and_goes_on_after_a_kill(tmp_path):
    path = tmp_path / "people.db"
    config = with_store(path, cluster={"dir": str(tmp_path / "c")})
    desk = open_desk(config, None, 5.0)
    with pytest.raises(ConfigError, match="another run writes it"):
        create_identity_service(config, None)
    desk.close()  # leaves a checkpoint
    again = open_desk(config, None, 5.0)
    with pytest.raises(ConfigError, match="another run writes it"):
        create_identity_service(config, None)
    again.close(forget=True)
    create_identity_service(config, None).close()


def test_the_desk_takes_the_store_over_from_its_predecessor_that_hangs(tmp_path, monkeypatch):
    path = tmp_path / "people.db"
    config = with_store(path, cluster={"dir": str(tmp_path / "c")})
    monkeypatch.setattr("relaytrack.pipeline.cluster.site._PATIENCE", 0.2)
    with holding(path, f"{tmp_path / 'c'} 5.0"):
        with pytest.raises(ConfigError, match="another run writes it"):
            open_desk(config, None, 6.0)
        open_desk(config, None, 5.0).close()


def test_who_is_about_to_end_is_waited_for(tmp_path):
    path = tmp_path / "people.db"
    with holding(path) as other:
        with pytest.raises(ConfigError, match="another run writes it"):
            need_free(path)
        Timer(0.5, other.kill).start()
        need_free(path, 10.0)


def test_what_ray_tells_of_a_service_that_cannot_start_is_the_reason_alone():
    """Fault: the end of a traceback was told with it."""
    text = "\n".join(
        (
            "The actor died because of an error raised in its creation task, \x1b[36mray::IdentityActor.__init__()",
            '  File "identity/store_lock.py", line 86, in acquire',
            "    raise ConfigError(said)",
            "relaytrack.pipeline.errors.ConfigError: output.store people.db: another run writes it",
        )
    )
    assert reason_of(text) == "output.store people.db: another run writes it"
    assert reason_of("The actor died\nunexpectedly: out of memory") == "The actor died unexpectedly: out of memory"


def test_a_desk_that_wakes_up_after_it_was_replaced_writes_the_store_no_more(tmp_path, monkeypatch):
    path = tmp_path / "people.db"
    config = with_store(path, cluster={"dir": str(tmp_path / "c")})
    monkeypatch.setattr("relaytrack.pipeline.cluster.site._PATIENCE", 0.2)
    old = open_desk(config, None, 5.0)
    old._memory.service.update([])
    new = open_desk(config, None, 5.0)
    with pytest.raises(OutputError, match=r"people\.db: another process has taken"):
        old._memory.service.update([])
    new._memory.service.update([])
    with pytest.raises(FencedError):
        old.close()
    new._memory.service.update([])
    new.close()


def test_a_lock_that_somebody_deletes_ends_no_run(tmp_path):
    path = tmp_path / "people.db"
    service = create_identity_service(with_store(path), None)
    lock_path(path).unlink()
    service.update([])
    service.close()


def test_a_store_that_cannot_be_locked_is_told_and_ends_no_run(tmp_path, caplog):
    path = tmp_path / "people.db"
    lock_path(path).mkdir()
    create_identity_service(with_store(path), None).close()
    assert "people.db cannot be locked" in caplog.text
    need_free(path)


def test_a_service_that_cannot_begin_lets_the_store_go(tmp_path):
    path = tmp_path / "people.db"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(Exception, match="cannot be opened as a store"):
        create_identity_service(with_store(path), None)
    need_free(path)


def test_run_and_serve_end_with_one_line(tmp_path, samples, capsys):
    path, site = tmp_path / "people.db", tmp_path / "site"
    with holding(path) as other:
        words = ["--set", f"output.store={path}"]
        run = ["run", "--source", str(samples / "west.mp4"), "--out", str(tmp_path / "o"), "--device", "cpu"]
        for command in ([*run, *words], ["serve", "--dir", str(site), "--port", "0", *words]):
            assert main(command) == 2
            (line,) = (line for line in capsys.readouterr().err.splitlines() if "error" in line)
            assert f"output.store {path}: another run writes it (process {other.pid}, since" in line
    assert not (tmp_path / "o").exists()
    assert main(["serve", "--dir", str(site), "--port", "99999", *words]) == 2
    assert "another" not in capsys.readouterr().err, "the site's folder is free again"
