"""The head of the cluster: deaf, with another token, killed in the middle of a run: one line and exit 2."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.outgoing import free_port, until

from relaytrack.pipeline.cluster import ray_start
from relaytrack.pipeline.cluster.head_watch import ClusterError, HeadWatch

pytestmark = [pytest.mark.needs("ray"), pytest.mark.timeout(600)]
TOKEN = "t" * 64


def processes_of(folder: str) -> list[tuple[int, str]]:
    """Process numbers and command lines of a Ray that works in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if folder in line:
                found.append((int(path.parent.name), line))
    return found


def server_of(folder: str) -> int:
    """The process of the head that all others need."""
    (server,) = [number for number, line in processes_of(folder) if "gcs_server" in line.split(" ")[0]]
    return server


def environment(token: str) -> dict[str, str]:
    waits = {"RAY_gcs_rpc_server_reconnect_timeout_s": "16", "RAY_worker_niceness": "0"}
    return os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} | waits


@contextlib.contextmanager
def started_head() -> Iterator[tuple[str, str]]:
    """A head that asks for a token: its address and its folder."""
    folder = tempfile.mkdtemp(prefix="rh", dir="/tmp")  # Ray's sockets need a short path
    address = f"127.0.0.1:{free_port()}"
    words = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--port", address.rpartition(":")[2]]
    words += ["--node-ip-address", "127.0.0.1", "--num-cpus", "2", "--object-store-memory", "80000000"]
    words += ["--temp-dir", folder, "--include-dashboard", "false", "--disable-usage-stats"]
    try:
        subprocess.run(words, check=True, capture_output=True, timeout=180, env=environment(TOKEN))
        yield address, folder
    finally:
        for number, _ in processes_of(folder):
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def head() -> Iterator[tuple[str, str]]:
    """See `started_head`."""
    with started_head() as found:
        yield found


def site(samples: Path, folder: Path, **output: str) -> Path:
    cameras = [{"name": "east", "url": str(samples / "east.mp4"), "live": True, "loop": True}]
    path = folder / "site.yaml"
    text = {
        "cameras": cameras,
        "run": {"fps": 3, "device": "cpu", "threads": 1},
        "output": {"dir": str(folder / "out"), "video": False, "report": False, **output},
        "identities": {"return_ratio": 0.3},
        "cluster": {"dir": str(folder / "nodes"), "num_cpus": 0.5},
    }
    path.write_text(yaml.safe_dump(text))
    return path


OTHER_RAY = "import ray; ray.__version__ = '2.9.3'"
"""Makes the program one with another Ray than the cluster's."""
HEAD_GOES = """
import os
from relaytrack.pipeline.cluster import cluster_run
join = cluster_run.join_cluster
def join_and_kill(address):
    ray = join(address)
    os.kill({server}, 9)
    return ray
cluster_run.join_cluster = join_and_kill
"""


def start(path: Path, address: str, token: str, *more: str, before: str = "") -> subprocess.Popen[str]:
    """Start a run, or what `more` says; the Python code `before` is carried out first."""
    code = f"{before}\nimport sys\nfrom relaytrack.pipeline.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, more[0] if more else "run", str(path), "--cluster", address, *more[1:]]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment(token))


def refusal(program: subprocess.Popen[str], seconds: float) -> str:
    """The one line with which a program ends; no traceback."""
    _, told = program.communicate(timeout=seconds)
    assert program.returncode == 2, told
    assert "Traceback" not in told
    (line,) = [line for line in told.splitlines() if line.startswith("relaytrack: error:")]
    return line


def test_a_wrong_token_another_ray_and_a_killed_head_end_a_run_with_one_line(
    head: tuple[str, str], samples: Path, tmp_path: Path
) -> None:
    address, folder = head
    port = address.rpartition(":")[2]
    path = site(samples, tmp_path)
    told = refusal(start(path, address, "x" * 64), 90)
    assert f"--cluster {address}: the token was refused" in told
    assert told.endswith("copy ~/.ray/auth_token of the head to this machine"), "nothing of it is hidden"
    told = refusal(start(path, address, TOKEN, before=OTHER_RAY), 90)
    assert f"--cluster {address}: Ray cannot be joined (Version mismatch" in told
    assert "2.9.3" in told

    program = start(path, address, TOKEN)
    until = time.monotonic() + 300
    while sum(len(one.read_text().splitlines()) for one in tmp_path.glob("nodes/*/tracks/east/*.txt")) < 5:
        assert program.poll() is None, program.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.2)
    os.kill(server_of(folder), signal.SIGKILL)
    told = refusal(program, 60)
    assert f":{port}, is gone" in told
    kept = [line for one in tmp_path.glob("nodes/*/tracks/east/*.txt") for line in one.read_text().splitlines()]
    assert len(kept) >= 5
    assert all(line.count(",") >= 6 for line in kept)


def known(store: Path) -> set[int]:
    """Identities in a store."""
    if not store.exists():
        return set()
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        try:
            return {identity for (identity,) in database.execute("SELECT DISTINCT identity FROM tracks")}
        except sqlite3.OperationalError:  # it is being made
            return set()


def test_people_keep_their_numbers_after_a_head_was_killed_and_started_again(samples: Path, tmp_path: Path) -> None:
    store = tmp_path / "people.db"
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first, second = (site(samples, tmp_path / name, store=str(store)) for name in ("first", "second"))
    with started_head() as (address, folder):
        program = start(first, address, TOKEN)
        until(lambda: len(known(store)) >= 2 or program.poll() is not None, 240)
        os.kill(server_of(folder), signal.SIGKILL)
        refusal(program, 60)
    before = known(store)
    assert len(before) >= 2
    with started_head() as (address, _):
        program = start(second, address, TOKEN, "run", "--max-seconds", "15")
        _, told = program.communicate(timeout=240)
        assert program.returncode == 0, told
    people = json.loads((tmp_path / "second" / "out" / "identities.json").read_text())["identities"]
    seen = {person["id"] for person in people}
    assert len(seen & before) >= 2, "the clip has begun anew: the same people walk in"


def test_a_site_whose_head_is_killed_ends_with_one_line(head: tuple[str, str], samples: Path, tmp_path: Path) -> None:
    address, folder = head
    words = ("serve", "--port", "0", "--dir", str(tmp_path / "site"))
    program = start(site(samples, tmp_path), address, TOKEN, *words)
    assert program.stderr is not None
    while "open http" not in program.stderr.readline():
        assert program.poll() is None
    os.kill(server_of(folder), signal.SIGKILL)
    assert f":{address.rpartition(':')[2]}, is gone" in refusal(program, 60)


def test_a_head_that_is_killed_at_the_start_ends_a_run_with_one_line(
    head: tuple[str, str], samples: Path, tmp_path: Path
) -> None:
    address, folder = head
    dying = HEAD_GOES.format(server=server_of(folder))
    told = refusal(start(site(samples, tmp_path), address, TOKEN, before=dying), 90)
    assert f":{address.rpartition(':')[2]}, is gone" in told


def test_somebody_else_at_the_address_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray_start, "_GREETING", 1.0)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"{address}: no Ray answers there within 1 s"):
            ray_start._greet(ray, address)


def test_a_head_that_goes_is_missed_after_a_while_and_one_that_comes_back_is_not() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        listening.settimeout(20)
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        watch = HeadWatch(address, 2.5)
        begun = time.monotonic()
        while time.monotonic() - begun < 3.5:
            listening.accept()[0].close()  # it looks again and again
        until(lambda: not watch.gone)
        watch.check()
    until(lambda: watch.gone)
    with pytest.raises(ClusterError, match=r"the head of the cluster, .* is gone"):
        watch.check()
    watch.close()
