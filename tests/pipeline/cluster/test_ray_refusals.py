"""Starts that cannot be, over a real Ray: one line and exit code 2."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.cluster import hiring, ray_start, site_programs
from relaytrack.pipeline.cluster.head_watch import HeadLostError, HeadWatch
from relaytrack.reid.installed import default_weights

pytestmark = [pytest.mark.needs("ray"), pytest.mark.timeout(300)]


def refused(samples: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], address: str, *more: str) -> str:
    """The one line with which a start over a cluster ends."""
    words = ["run", "--source", str(samples / "east.mp4"), "--cluster", address, "--out", str(tmp_path / "out"), *more]
    assert main([*words, "--device", "cpu", "--set", f"cluster.dir={tmp_path / 'nodes'}"]) == 2
    told = capfd.readouterr().err
    assert "Traceback" not in told
    (line,) = [line for line in told.splitlines() if line.startswith("relaytrack: error:")]
    return line


def test_a_run_is_not_resumed(
    samples: Path, tmp_path: Path, ray_cluster: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    line = refused(samples, tmp_path, capfd, ray_cluster.address, "--live", "--resume")
    assert "--resume: a run on a cluster begins anew" in line
    assert not (tmp_path / "out").exists()


def test_machines_with_another_relaytrack_are_refused(
    samples: Path, tmp_path: Path, ray_cluster: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hiring, "version", lambda _: "9.9")
    line = refused(samples, tmp_path, capfd, ray_cluster.address)
    assert "has relaytrack 0.1.0, this one 9.9: install the same everywhere" in line


def test_a_machine_without_the_weights_is_refused(
    samples: Path, tmp_path: Path, ray_cluster: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "ours.safetensors"
    shutil.copy(default_weights(), weights)

    def machines(ray: Any) -> Any:
        weights.unlink(missing_ok=True)  # this machine has seen them; those that follow cameras find none
        return ray_start.machines(ray)

    monkeypatch.setattr(site_programs, "machines", machines)
    line = refused(samples, tmp_path, capfd, ray_cluster.address, "--set", f"embedder.weights={weights}")
    assert "error: machine " in line
    assert str(weights) in line


def test_a_head_that_goes_while_it_is_joined_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ray.init` waits for it until Ray ends the program."""
    import ray

    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "2")
    monkeypatch.setattr(ray_start, "_greet", lambda ray, address: head.close())
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: time.sleep(30))
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(HeadLostError, match=f"the head of the cluster, {address}, is gone"):
            ray_start.join_cluster(address)
    assert time.monotonic() - begun < 10


def test_what_goes_on_while_the_head_is_there_ends_as_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        head = HeadWatch(f"127.0.0.1:{listening.getsockname()[1]}", patience=60)
        assert head.during(lambda: 7) == 7
        for error in (ValueError, TimeoutError):  # a TimeoutError of the action is not the watch's own

            def fail(error: type[Exception] = error) -> None:
                raise error("so")

            with pytest.raises(error, match="so"):
                head.during(fail)
        head.check_now()
    with pytest.raises(HeadLostError):
        head.check_now()
    head.close()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_a_site_is_refused_with_one_line_as_a_run_is(
    address: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    words = ["serve", "--dir", str(tmp_path / "site"), "--port", "0", "--cluster", address]
    assert main(words) == 2
    told = [line for line in capfd.readouterr().err.splitlines() if "default re-identification weights" not in line]
    assert len(told) == 1
    assert told[0].startswith(f"relaytrack: error: --cluster {address}:".replace("nonsense:", "'nonsense':"))


def test_a_site_of_recordings_is_refused(samples: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(f"cameras:\n  - name: east\n    url: {samples / 'east.mp4'}\n")
    assert main(["serve", str(file), "--dir", str(tmp_path / "site"), "--port", "0", "--cluster", "auto"]) == 2
    assert "camera 'east': serve --cluster follows live cameras only" in capfd.readouterr().err


@pytest.mark.parametrize(
    "words", [["run", "--source", "gone.mp4"], ["serve", "gone.yaml"], ["service", "install", "gone.yaml"]]
)
def test_an_address_that_cannot_be_one_is_refused_before_anything_else(
    words: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the networks' libraries and Ray were loaded first, and `service install` took any address."""
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*words, "--cluster", "nonsense"]) == 2
    assert capfd.readouterr().err.splitlines() == [
        "relaytrack: error: --cluster 'nonsense': write auto, or HOST:PORT of `ray start --head` (port 6379)"
    ]
