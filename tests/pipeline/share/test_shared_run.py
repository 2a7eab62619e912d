"""A run's results at a shared place: corrected and forgotten there, by its address and by the run's folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.finished_run import finished_run

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.cluster.node_share import of_cameras
from relaytrack.pipeline.results.folder import MARKER
from relaytrack.pipeline.share.mirror import files_below
from relaytrack.pipeline.share.places import SharedPlace, open_place
from relaytrack.pipeline.share.shared_run import run_folder
from relaytrack.pipeline.share.starting import put_text


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, to be copied."""
    return finished_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def folder(address: str, finished: Path, tmp_path: Path) -> Path:
    """What a run on a cluster leaves: all but the videos in its folder, and everything at the shared place."""
    folder = shutil.copytree(finished, tmp_path / "run")
    run = json.loads((folder / "run.json").read_text())
    run["config"]["cluster"]["share"] = address
    (folder / "run.json").write_text(json.dumps(run))
    place = open_place(address)
    for name in files_below(folder) - {MARKER}:
        place.put(name, folder / name)
    put_text(place, MARKER, json.dumps({"format": 1, "cameras": ["a", "b"], "shared": True}))
    shutil.rmtree(folder / "video")
    return folder


def people(place: SharedPlace, folder: Path) -> dict[int, list[str]]:
    """Who is in the list at a place, each with the cameras."""
    place.fetch("identities.json", folder / "list.json")
    content = json.loads((folder / "list.json").read_text())
    (folder / "list.json").unlink()
    return {one["id"]: sorted(one["cameras"]) for one in content["identities"]}


def rows(place: SharedPlace, camera: str, folder: Path) -> set[str]:
    """Whose lines are in a camera's file at a place."""
    place.fetch(f"global/{camera}.txt", folder / "rows.txt")
    found = {line.split(",")[1] for line in (folder / "rows.txt").read_text().splitlines()}
    (folder / "rows.txt").unlink()
    return found


def test_a_correction_of_the_folder_reaches_the_shared_place_first(
    folder: Path, place: SharedPlace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["merge", "--run", str(folder), "1", "3"]) == 0
    assert f"1 and 3 are person 1 now; at {place.address}, too" in capsys.readouterr().out
    assert people(place, tmp_path) == {1: ["a", "b"], 2: ["a"]}
    before = [name for name in place.names() if of_cameras(name)]
    assert "video/a.mp4" in before
    assert main(["forget", "--run", str(folder), "1", "--videos", "delete"]) == 0
    assert "at " + place.address in capsys.readouterr().out
    left = [name for name in place.names() if of_cameras(name)]
    assert [name for name in left if name.startswith("video/")] == []
    assert [name for name in left if name.startswith("crops/")] == [
        name for name in before if name.startswith("crops/a/2-")
    ]
    assert people(place, tmp_path) == {2: ["a"]}
    assert rows(place, "a", tmp_path) == {"2"}
    assert json.loads((folder / "identities.json").read_text())["identities"][0]["id"] == 2


def test_a_correction_that_was_cut_off_is_made_whole_by_the_next(
    folder: Path, place: SharedPlace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with run_folder(place.address, changes=True) as there:
        assert main(["forget", "--run", str(there), "1", "--videos", "delete"]) == 0
    assert people(place, tmp_path) == {2: ["a"], 3: ["b"]}
    assert main(["forget", "--run", str(folder), "1", "--videos", "delete"]) == 0
    assert "at the shared place: " in capsys.readouterr().out
    assert {one["id"] for one in json.loads((folder / "identities.json").read_text())["identities"]} == {2, 3}
    assert main(["forget", "--run", str(folder), "1", "--videos", "delete"]) == 2, "nobody has this number anywhere"


def test_commands_work_by_the_address(
    folder: Path, place: SharedPlace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(folder)
    assert main(["split", "--run", place.address, "2", "--at", "1.5"]) == 0
    assert "person 2 is person 4 from 1.5 s on" in capsys.readouterr().out
    assert people(place, tmp_path) == {1: ["a"], 2: ["a"], 3: ["b"], 4: ["a"]}
    assert "video/a.mp4" in place.names(), "drawn anew"
    assert main(["forget", "--run", place.address, "9"]) == 2
    told = capsys.readouterr().err
    assert "relaytrack-" not in told, "nobody knows the folder in which it was looked at"
    assert people(place, tmp_path) == {1: ["a"], 2: ["a"], 3: ["b"], 4: ["a"]}


def test_what_cannot_be_reached_is_told_and_nothing_is_changed(
    folder: Path, place: SharedPlace, address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / "identities.json").read_bytes()
    if "://" in address:

        def refuse(*words: object, **more: object) -> None:
            raise ConnectionError("nobody is there")

        files = getattr(place, "_files")  # noqa: B009
        monkeypatch.setattr(type(files), "find", refuse)
        told = f"cluster.share: cannot read: nobody is there: {place.address}"
    else:
        shutil.rmtree(Path(address).parent)
        told = "cannot be reached (mounted?)"
    assert main(["forget", "--run", str(folder), "1"]) == 2
    assert told in capsys.readouterr().err
    assert (folder / "identities.json").read_bytes() == before


def test_a_place_that_was_cleared_is_no_hindrance(
    folder: Path, place: SharedPlace, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in place.names():
        place.remove(name)
    if "://" not in place.address:
        Path(place.address).parent.mkdir(parents=True, exist_ok=True)
    assert main(["merge", "--run", str(folder), "1", "3"]) == 0
    assert f"nothing is left at {place.address}" in capsys.readouterr().out
    assert main(["search", "--run", f"{place.address}/nothing", "--image", str(folder / "crops/1.jpg")]) == 2
    assert "no run of RelayTrack" in capsys.readouterr().err
