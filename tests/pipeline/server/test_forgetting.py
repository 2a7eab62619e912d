"""A person of a site is forgotten everywhere: asked for in the page, by the command line, and when nothing runs."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.errors import ConfigError, OutputError
from relaytrack.pipeline.postprocess.cover_segments import cover_segments
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.server.site_file import SiteFile
from relaytrack.pipeline.server.site_opening import open_site
from tests.support.sites import YAML, log_in, served, settled
from tests.support.world import wait_for

LOOK = np.array([1, 0, 0, 0])


HOOK = "sinks:\n  - name: webhook\n    options: {url: http://127.0.0.1:9/, timeout: 0.5}\n"
"""A receiver that is never there: what is meant for it waits."""


def recorded(folder: Path, more: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    output = f"output:\n  dir: {folder / 'recordings'}\n  trail: 0\n  mosaic: false\n"
    (folder / "site.yaml").write_text(YAML + output + more)


def waiting(folder: Path) -> int:
    """Events of the made-up person that wait for their receiver."""
    with closing(sqlite3.connect(folder / "site" / "spool" / "webhook.db")) as spool:
        return int(spool.execute("SELECT count(*) FROM waiting WHERE body LIKE '%\"identity\": 1,%'").fetchone()[0])


def rows(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "site" / "site.sqlite")) as store, store:
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
        assert admin.delete(f"/api/v1/people/{person}").status_code == 202
        assert wait_for(lambda: not site.site.requests.open())
    assert len(list((tmp_path / "recordings").iterdir())) == 2
    assert traces(tmp_path) == []


def test_forgotten_in_the_events_that_wait_for_a_receiver(tmp_path: Path) -> None:
    """Fault: a site with recordings of earlier starts could not forget anybody while such a receiver was configured."""
    recorded(tmp_path, HOOK)
    with served(tmp_path) as site:
        person = settled(site)["identity"]
    assert waiting(tmp_path)
    with served(tmp_path, users={"ann": "admin"}) as site, log_in(site, "ann") as admin:
        assert wait_for(lambda: [one["here"] for one in admin.get("/api/v1/people").json()["people"]] == [["door"]])
        assert admin.delete(f"/api/v1/people/{person}").status_code == 202
        assert wait_for(lambda: not site.site.requests.open(), 30)
    assert waiting(tmp_path) == 0


@pytest.mark.parametrize("records", [True, False])
def test_forgotten_in_waiting_events_while_nothing_runs(records: bool, tmp_path: Path) -> None:
    """Fault: where the site recorded nothing, the events that waited for a receiver still told of the person."""
    if records:
        recorded(tmp_path, HOOK)
    else:
        (tmp_path / "site.yaml").write_text(YAML + HOOK)
    with served(tmp_path) as site:
        person = settled(site)["identity"]
    assert waiting(tmp_path)
    assert main(["forget", "--run", str(tmp_path / "site"), str(person)]) == 0
    assert waiting(tmp_path) == 0


def blackened(folder: Path) -> float:
    """The share of black pictures in the videos of a site's first start."""
    first = min((folder / "recordings").iterdir())
    found = []
    for path in sorted(first.glob("video/door/*.mp4")):
        with av.open(str(path)) as video:
            found += [float(frame.to_ndarray(format="gray").mean()) < 20.0 for frame in video.decode(video=0)]
    return float(np.mean(found))


def test_the_page_does_not_wait_for_the_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: the request took as long as it took to write all videos of the person anew."""
    covering, begun = threading.Event(), threading.Event()

    def slow(folder: Path, correction: Correction) -> int:
        begun.set()
        covering.wait(30)
        return cover_segments(folder, correction)

    monkeypatch.setattr("relaytrack.pipeline.runtime.correcting.cover_segments", slow)
    recorded(tmp_path)
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        answer = site.http.delete(f"/api/v1/people/{person}").json()
        assert (answer["person"], answer["state"]) == (person, "running")
        where = f"/api/v1/forgetting/{answer['request']}"
        assert begun.wait(20)
        assert site.get(f"/api/v1/people/{person}").status_code == 404
        assert site.get(where).json()["state"] == "running"
        assert f"Person {person} is forgotten here; videos" in site.get("/people").text
        covering.set()
        assert wait_for(lambda: site.get(where).json()["state"] == "done")
        assert "is forgotten here" not in site.get("/people").text
    assert traces(tmp_path) == []
    assert blackened(tmp_path) > 0


def test_a_forgetting_that_fails_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: a video that could not be written stayed as it was for good, with the person in it."""
    full = threading.Event()
    full.set()

    def cover(folder: Path, correction: Correction) -> int:
        if full.is_set():
            raise OutputError("the disk is full")
        return cover_segments(folder, correction)

    monkeypatch.setattr("relaytrack.pipeline.runtime.correcting.cover_segments", cover)
    monkeypatch.setattr("relaytrack.pipeline.runtime.request_watch._AGAIN", 0.5)
    recorded(tmp_path)
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        where = f"/api/v1/forgetting/{site.http.delete(f'/api/v1/people/{person}').json()['request']}"
        assert wait_for(lambda: site.get(where).json()["state"] == "failed")
        assert site.get(where).json()["error"] == "the disk is full"
        assert f"Person {person} is not forgotten everywhere yet: the disk is full" in site.get("/people").text
        events = site.get("/api/v1/events", params={"kind": "forgetting_failed"}).json()["events"]
        assert [one["reason"] for one in events] == [f"person {person}: the disk is full"]
        assert "not forgotten everywhere" in site.get("/events").text
        full.clear()
        assert wait_for(lambda: site.get(where).json()["state"] == "done")
    assert traces(tmp_path) == []
    assert blackened(tmp_path) > 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("end", [SystemExit, OutputError])
def test_a_forgetting_that_was_cut_short_is_finished_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    """Fault: after a kill the person was unknown, the request refused, and they stayed in the videos."""

    def killed(folder: Path, correction: Correction) -> int:
        raise end("as a kill would, this ends the thread between two steps")

    recorded(tmp_path)
    with monkeypatch.context() as patched, served(tmp_path) as site:
        patched.setattr("relaytrack.pipeline.runtime.correcting.cover_segments", killed)
        person = settled(site)["identity"]
        number = site.http.delete(f"/api/v1/people/{person}").json()["request"]
        assert wait_for(lambda: not site.site.watch.running or site.site.requests.get(number).state == "failed")
    assert blackened(tmp_path) == 0.0
    with served(tmp_path) as site:
        assert wait_for(lambda: site.site.requests.get(number).state == "done")
    assert blackened(tmp_path) > 0


def test_a_kill_before_anything_was_done_loses_no_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path)
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        site.site.watch.close()
        site.site.begin_forgetting(person)
    assert traces(tmp_path), "the files of the run"
    assert main(["forget", "--run", str(tmp_path / "site"), str(person)]) == 2, "the page knows them no more"
    assert f"there is no person {person}" in capsys.readouterr().err
    assert traces(tmp_path) == [], "but what was begun is finished"


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


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: it counted as one in which they were never seen, and they stayed in its videos without a word."""
    recorded(tmp_path)
    with served(tmp_path) as site:
        person = settled(site)["identity"]
    [found] = (tmp_path / "recordings").rglob("identities.json")
    whole = found.read_bytes()
    found.write_bytes(b"something else")
    ask = ["forget", "--run", str(tmp_path / "site"), str(person)]
    assert main(ask) == 2
    error = capsys.readouterr().err
    assert str(found) in error
    assert "is forgotten" not in error
    found.write_bytes(whole)
    main(ask)
    assert traces(tmp_path) == []
    assert blackened(tmp_path) > 0


def test_damaged_embeddings_hinder_no_erasure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorded(tmp_path)
    with served(tmp_path) as site:
        person = settled(site)["identity"]
    [found] = (tmp_path / "recordings").rglob("embeddings.npz")
    found.write_bytes(b"something else")
    assert main(["forget", "--run", str(tmp_path / "site"), str(person)]) == 0
    assert not found.exists()
    assert f"{found}: no .npz file, or a damaged one; the file is deleted" in caplog.text
    assert traces(tmp_path) == []
    assert blackened(tmp_path) > 0
