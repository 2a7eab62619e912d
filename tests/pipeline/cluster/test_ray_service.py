"""`relaytrack serve --cluster` as a program: it is killed, starts again, and ends in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.cluster_served import walking_camera
from tests.support.serving import serving
from tests.support.world import wait_for

pytestmark = [pytest.mark.needs("ray"), pytest.mark.timeout(600)]


def test_a_killed_server_starts_again_and_knows_everybody(tmp_path: Path, ray_cluster: Any) -> None:
    file = tmp_path / "site.yaml"
    settings = {
        "cameras": [walking_camera("door", tmp_path)],
        "detector": {"backend": "file"},
        "run": {"device": "cpu", "threads": 1, "fps": 5},
        "output": {"dir": str(tmp_path / "recordings"), "video": False},
        "server": {"dir": str(tmp_path / "site")},
        "cluster": {"dir": str(tmp_path / "nodes"), "nodes": 1, "num_cpus": 0.5, "patience": 20},
    }
    file.write_text(yaml.safe_dump(settings))
    words = (str(file), "--cluster", ray_cluster.address)

    def known(url: str) -> list[dict[str, Any]]:
        people = httpx.get(f"{url}/api/v1/people", timeout=20).json()["people"]
        return [person for person in people if person["picture"]]

    def running(url: str) -> bool:
        return bool(httpx.get(f"{url}/api/v1/cameras/door", timeout=20).json()["state"] == "running")

    with serving(*words, patience=200) as first:
        assert wait_for(lambda: known(first.url), 60)
        person = known(first.url)[0]
    with serving(*words, patience=200) as second:
        assert known(second.url)[0]["identity"] == person["identity"]
        assert wait_for(lambda: running(second.url), 60)
        assert wait_for(lambda: known(second.url)[0]["sightings"] > person["sightings"], 60), "taken for the same"
        second.end()
        assert not [line for line in second.lines if "error" in line.lower()]
    assert not list((tmp_path / "nodes").glob("*.db")), "the checkpoint goes when a site ends in order"
    starts = sorted((tmp_path / "nodes/site").iterdir())
    assert len(starts) == 2
    assert (starts[1] / "identities.json").exists()
    rows = [line for path in (starts[1] / "tracks/door").glob("*.txt") for line in path.read_text().splitlines()]
    assert rows
    assert all(len(line.split(",")) == len(rows[0].split(",")) for line in rows), "every line is whole"
