"""A person of a site is forgotten everywhere: asked for in the page, by the command line, and when nothing runs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.server.site import open_site
from relaytrack.pipeline.server.site_file import SiteFile
from tests.support.sites import YAML, log_in, served, settled
from tests.support.world import wait_for

LOOK = np.array([1, 0, 0, 0])


def recorded(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.yaml").write_text(YAML + f"output:\n  dir: {folder / 'recordings'}\n  trail: 0\n  mosaic: false\n")


def rows(folder: Path, table: str) -> int:
    with sqlite3.connect(folder / "site" / "site.sqlite") as store:
        return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def traces(folder: Path) -> list[str]:
    """Files that still hold the made-up person's looks, lines or events."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if any(LOOK.astype(kind).tobytes() in data for kind in (np.float16, np.float32)):
            found.append(f"{path}: looks")
        if path.parent.parent.name in ("tracks", "global") and data:
            found.append(f"{path}: lines")
        if path.name == "events.jsonl" and b'"identity":1,' in data:
            found.append(f"{path}: events")
        if path.suffix == ".jpg":
            found.append(f"{path}: picture")
    return found


def test_forgotten_by_the_command_line_while_the_server_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault: only the server itself could, and its files and the association's memory kept the person."""
    recorded(tmp_path)
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        assert main(["forget", "--run", str(tmp_path / "site"), str(person)]) == 0
        assert f"person {person} is forgotten in" in capsys.readouterr().out
        assert main(["forget", "--run", str(tmp_path / "site"), "77"]) == 2
        assert "there is no person 77" in capsys.readouterr().err
        frames = site.site.pipeline.status().cameras["door"].frames
        assert wait_for(lambda: site.site.pipeline.status().cameras["door"].frames > frames + 20)
        assert rows(tmp_path, "sightings") == 0, "who is in view is kept no more"
    assert traces(tmp_path) == []


def test_forgotten_in_the_page_and_in_the_folders_of_earlier_starts(tmp_path: Path) -> None:
    recorded(tmp_path)
    with served(tmp_path) as site:
        person = settled(site)["identity"]
    assert traces(tmp_path)
    with served(tmp_path, users={"ann": "admin"}) as site, log_in(site, "ann") as admin:
        assert wait_for(lambda: [one["here"] for one in admin.get("/api/v1/people").json()["people"]] == [["door"]])
        assert wait_for(lambda: rows(tmp_path, "sightings") == 2), "the person is known again"
        assert admin.delete(f"/api/v1/people/{person}").status_code == 204
    assert len(list((tmp_path / "recordings").iterdir())) == 2
    assert traces(tmp_path) == []


def test_forgotten_while_nothing_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path)
    with served(tmp_path) as site:
        person = settled(site)["identity"]
    assert main(["forget", "--run", str(tmp_path / "site"), str(person)]) == 0
    assert traces(tmp_path) == []
    assert rows(tmp_path, "sightings") == 0
    capsys.readouterr()
    assert main(["forget", "--run", str(tmp_path / "site"), str(person)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        config = load_config(site.file, overrides={"server.dir": str(tmp_path / "site")})
        with pytest.raises(ConfigError, match="another server is running there"):
            open_site(config, SiteFile(site.file, tmp_path / "history"))
