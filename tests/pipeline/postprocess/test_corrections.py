"""Correcting a finished run: merge, split and forget."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from support.finished_run import FRAMES, PLACES, SHIRTS, finished_run

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.errors import InputError, SourceError
from relaytrack.pipeline.events import parse_event
from relaytrack.pipeline.palette import identity_color
from relaytrack.pipeline.postprocess.corrections import FinishedRun, forget, merge, open_run, split, split_at
from relaytrack.pipeline.records import Image
from relaytrack.pipeline.sinks.outgoing.spool import Spool
from relaytrack.trackers import IdentityStore
from relaytrack.trackers.identities.store_rows import StoredTrack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run over two clips."""
    return finished_run(tmp_path)


def _people(folder: Path) -> dict[int, list[str]]:
    content = json.loads((folder / "identities.json").read_text())
    return {entry["id"]: [f"{t['camera']}:{t['track']}" for t in entry["tracks"]] for entry in content["identities"]}


def _ids(folder: Path, camera: str) -> set[int]:
    return {int(line.split(",")[1]) for line in (folder / "global" / f"{camera}.txt").read_text().splitlines()}


def _pictures(folder: Path, name: str) -> list[Image]:
    with av.open(str(folder / "video" / f"{name}.mp4")) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def _shirt(image: Image, person: int) -> int:
    return int((np.abs(image.astype(int) - SHIRTS[person]).max(axis=2) < 18).sum())


def test_merge_rewrites_everything(folder: Path) -> None:
    assert _people(folder) == {1: ["a:1"], 2: ["a:2"], 3: ["b:1"]}
    assert merge(open_run(folder), [1, 3]) == 1
    assert _people(folder) == {1: ["a:1", "b:1"], 2: ["a:2"]}
    assert _ids(folder, "b") == {1}
    for image in _pictures(folder, "b")[20:]:
        plate = image[20:40, PLACES[1] : PLACES[1] + FRAMES + 12].astype(int)  # the number stands above the box
        assert np.abs(plate - identity_color(1)).max(axis=2).min() < 20
        assert np.abs(plate - identity_color(3)).max(axis=2).min() > 40
    assert 'id="person-3"' not in (folder / "report.html").read_text()
    assert json.loads((folder / "run.json").read_text())["identities"] == {"count": 2, "in_two_or_more_cameras": 1}
    last = parse_event((folder / "events.jsonl").read_text().splitlines()[-1])
    assert (last.event, last.identity, last.model_dump()["old"], last.model_dump()["kind"]) == (
        "revised",
        1,
        3,
        "manual",
    )


def test_split_undoes_a_merge(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in ("tracks/a.txt", "global/a.txt", "tracks/b.txt")}
    merge(open_run(folder), [1, 3], videos="delete")
    assert split(open_run(folder), 1, [("b", 1)], videos="delete") == 3
    assert _people(folder) == {1: ["a:1"], 2: ["a:2"], 3: ["b:1"]}
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert not list((folder / "video").iterdir())


def test_damaged_embeddings_hinder_no_correction(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fault: merge and split, and the report with them, refused a run whose embeddings.npz was damaged."""
    _spoil(folder / "cut:embeddings.npz")
    assert main(["merge", "--run", str(folder), "1", "3", "--videos", "delete"]) == 0
    assert _people(folder) == {1: ["a:1", "b:1"], 2: ["a:2"]}
    assert "damaged one; the report tells of no doubtful decisions" in caplog.text
    assert main(["split", "--run", str(folder), "1", "b:1", "--videos", "delete"]) == 0
    assert _people(folder) == {1: ["a:1"], 2: ["a:2"], 3: ["b:1"]}
    assert 'id="person-3"' in (folder / "report.html").read_text()


def test_impossible_corrections_are_refused(folder: Path) -> None:
    run = open_run(folder)
    with pytest.raises(InputError, match=r"a:1 and a:2 were in view at once, at 0\.0 s"):
        merge(run, [1, 2])
    with pytest.raises(InputError, match="no person 9"):
        merge(run, [1, 9])
    with pytest.raises(InputError, match="at least two"):
        merge(run, [1, 1])
    with pytest.raises(InputError, match="b:1 is not one of person 1"):
        split(run, 1, [("b", 1)])
    with pytest.raises(InputError, match="some but not all"):
        split(run, 1, [("a", 1)])


def test_forget_leaves_no_trace(folder: Path) -> None:
    merge(open_run(folder), [1, 3], videos="delete")  # person 1 in both cameras
    run = open_run(folder)
    crops = [folder / crop["file"] for track in run.data.people[1] for crop in track.crops]
    pictures = [path.read_bytes() for path in (*crops, folder / "crops/1.jpg")]
    with np.load(folder / "embeddings.npz") as stored:
        vectors = {key: stored["embedding"][row].tobytes() for row, key in enumerate(stored["track"].tolist())}
    others = (folder / "crops/2.jpg").read_bytes()
    forget(run, 1)
    assert len(crops) >= 2
    secrets = [*pictures, vectors[1], b"person-1"]
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path
    assert (folder / "crops/2.jpg").read_bytes() == others
    assert _people(folder) == {2: ["a:2"]}
    assert (_ids(folder, "a"), _ids(folder, "b")) == ({2}, set())
    assert {line.split(",")[1] for line in (folder / "tracks/a.txt").read_text().splitlines()} == {"2"}
    events = [parse_event(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert {event.identity for event in events} == {2}


def test_forget_works_where_events_were_cut_off_and_pictures_are_gone(folder: Path) -> None:
    """Fault: a damaged line of events ended it half-way, when the person was gone from identities.json already."""
    events = folder / "events.jsonl"
    whole = events.read_bytes()
    events.write_bytes(b"\xff\x00\n" + whole + whole.splitlines()[-1][:40] + b"\n[1]\n")
    shutil.rmtree(folder / "crops")
    merge(open_run(folder), [1, 3], videos="delete")
    forget(open_run(folder), 1, videos="delete")
    assert _people(folder) == {2: ["a:2"]}
    assert {parse_event(line).identity for line in events.read_text().splitlines()} == {2}


def _spoil(path: Path) -> None:
    """`cut:NAME` cuts a file in the middle of a line, `empty:NAME` leaves no byte, else the file goes."""
    kind, _, name = path.name.rpartition(":")
    real = path.with_name(name)
    if kind == "cut":
        text = real.read_bytes()
        real.write_bytes(text[: len(text) // 3 + 1])
    elif kind == "empty":
        real.write_bytes(b"")
    elif real.is_dir():
        shutil.rmtree(real)
    else:
        real.unlink()


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        (["tracks/a.txt"], "tracks/a.txt: missing"),
        (["global/a.txt"], "global/a.txt: missing"),
        (["tracks/b.txt"], "tracks/b.txt: missing"),
        (["tracks", "global/b.txt"], "tracks/b.txt: missing"),
        (["tracks/a.txt", "global/a.txt"], "its video and the mosaic are deleted"),
        (["tracks", "global", "video", "../a.mp4", "../b.mp4"], "global/b.txt: missing"),
        (["tracks/cut:a.txt"], "tracks/a.txt: 1 damaged lines"),
        (["tracks/cut:a.txt", "global/a.txt"], "its video and the mosaic are deleted"),
        (["global/cut:a.txt"], "global/a.txt: 1 damaged lines"),
        (["tracks/empty:a.txt"], ""),
        (["cut:embeddings.npz"], "embeddings.npz: no .npz file, or a damaged one; the file is deleted"),
        (["video", "../a.mp4"], ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_forget_works_on_what_is_there(
    folder: Path, spoilt: list[str], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault: a missing or damaged file of lines or embeddings, and deleted videos of a lost source, refused it."""
    for name in spoilt:
        _spoil(folder / name)
    forget(open_run(folder), 1)
    assert told in caplog.text
    assert _people(folder) == {2: ["a:2"], 3: ["b:1"]}
    for kind in ("tracks", "global"):
        path = folder / kind / "a.txt"
        assert not path.exists() or {line.split(",")[1] for line in path.read_text().splitlines()} <= {"2"}
    for path in (folder / "video").glob("*.mp4"):
        assert path.name != "b.mp4" or max(_shirt(image, 1) for image in _pictures(folder, "b")) > 2000
        assert path.name == "b.mp4" or "mosaic" in path.name or max(_shirt(i, 1) for i in _pictures(folder, "a")) == 0


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        (["run.json"], "run.json: gone, or empty; what is there of the person is removed"),
        (["cut:run.json"], "run.json: not JSON; what is there"),
        (["identities.json"], "no run of RelayTrack (identities.json: No such file or directory); what is there"),
        (["cut:identities.json"], "it is deleted, since it may tell of the person"),
        (["identities.json", "run.json", "cut:events.jsonl"], "a store of identities outside of it is not known"),
        (["identities.json", "tracks", "global"], "mosaic.mp4"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_forget_works_in_what_is_left_of_a_run(
    folder: Path, spoilt: list[str], told: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault: a finished run without its list of people or its run.json was refused."""
    with np.load(folder / "embeddings.npz") as stored:
        look = stored["embedding"][stored["track"].tolist().index(1)].tobytes()
    pictures = [folder / "crops/1.jpg", *(folder / "crops/a").glob("1-*.jpg")]
    assert len(pictures) >= 2
    for name in spoilt:
        _spoil(folder / name)
    assert main(["forget", "--run", str(folder), "1"]) == 0
    said = capsys.readouterr()
    assert told in (said.err + caplog.text).replace("\n", " ")
    assert "person 1 is forgotten in what is left of" in said.out
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(secret in content for secret in (look, b"person-1")), path
    assert not any(path.exists() for path in pictures)
    for kind in ("tracks", "global"):
        path = folder / kind / "a.txt"
        assert not path.exists() or {line.split(",")[1] for line in path.read_text().splitlines()} == {"2"}
    assert [path.name for path in (folder / "video").glob("*.mp4")] == ["b.mp4"]
    assert {parse_event(line).identity for line in (folder / "events.jsonl").read_text().splitlines()} <= {2, 3}
    assert not (folder / "identities.json").exists() or _people(folder) == {2: ["a:2"], 3: ["b:1"]}
    assert main(["forget", "--run", str(folder), "1"]) == 2, "nothing tells of them any more"


def test_a_run_of_another_version_is_not_emptied_of_its_videos(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, "config": {"output": {"unheard_of": 1}}}))
    assert main(["forget", "--run", str(folder), "1"]) == 2
    assert "holds no configuration of this version" in capsys.readouterr().err
    assert (folder / "video/a.mp4").exists()
    assert main(["forget", "--run", str(folder), "1", "--videos", "delete"]) == 0
    assert sorted(path.name for path in (folder / "video").glob("*.mp4")) == ["b.mp4"]


def test_a_foreign_list_of_people_names_no_files_outside(folder: Path) -> None:
    path = folder / "identities.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "cameras": {"a": content["cameras"]["a"]}}))
    forget(open_run(folder), 3, videos="delete")  # its camera is in the list of tracks alone
    path.write_text(json.dumps({**content, "cameras": {"../../x": content["cameras"]["a"]}}))
    with pytest.raises(InputError, match=r"identities\.json: not a file of this version"):
        open_run(folder)


def test_forget_reaches_the_store_also_under_a_former_number(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    feature = {person: np.full(16, 0.1 + person, np.float32) for person in (1, 2, 3)}
    with IdentityStore(path) as store:
        store.begin(0.0)
        keys = {1: ("a", 1), 2: ("a", 2), 3: ("b", 1)}
        store.write([StoredTrack(*keys[n], n, 0.0, 3.0, 10, feature[n]) for n in keys], following=4)
    run = json.loads((folder / "run.json").read_text())
    run["config"]["output"]["store"] = str(path)
    (folder / "run.json").write_text(json.dumps(run))
    merge(open_run(folder), [1, 3], videos="delete")
    forget(open_run(folder), 1, videos="delete")
    with IdentityStore(path) as store:
        assert [track.identity for track in store.tracks()] == [2]
    content = b"".join(found.read_bytes() for found in tmp_path.glob("people.sqlite*"))
    assert feature[2].astype(np.float16).tobytes() in content
    for person in (1, 3):
        assert feature[person].astype(np.float16).tobytes() not in content


def test_forget_reaches_events_that_wait_for_a_receiver(folder: Path, tmp_path: Path) -> None:
    """Fault: who was forgotten stood in `spool/`, and was sent out by the next run in the folder."""
    run = json.loads((folder / "run.json").read_text())
    run["config"]["sinks"] = [{"name": "webhook", "options": {"url": "http://x/", "spool": str(tmp_path / "own.db")}}]
    (folder / "run.json").write_text(json.dumps(run))
    paths = (folder / "spool" / "webhook.db", tmp_path / "own.db")
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        spool = Spool(path)
        spool.add({"event": "enter", "camera": "a", "track": person, "identity": person} for person in (1, 2))
        spool.close()
    forget(open_run(folder), 1, videos="delete")
    for path in paths:
        spool = Spool(path)
        assert [json.loads(one.body)["identity"] for one in spool.take(9)] == [2]
        spool.close()


def test_forget_covers_the_person_in_all_videos_also_where_they_were_missed(folder: Path) -> None:
    assert max(_shirt(image, 1) for image in _pictures(folder, "a")) > 2000
    merge(open_run(folder), [1, 3])
    forget(open_run(folder), 1)
    for name in ("a", "b", "mosaic"):
        images = _pictures(folder, name)
        assert len(images) == FRAMES
        assert max(_shirt(image, 1) for image in images) == 0, name
    assert min(_shirt(image, 2) for image in _pictures(folder, "a")) > 2000  # the others stay


def test_who_is_forgotten_stays_covered_when_videos_are_drawn_again(folder: Path) -> None:
    forget(open_run(folder), 1)
    merge(open_run(folder), [2, 3])
    assert max(_shirt(image, 1) for image in _pictures(folder, "a")) == 0


def test_a_lost_source_changes_nothing_and_deleting_works(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mp4").unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(SourceError, match="camera 'a'"):
        forget(open_run(folder), 1)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert main(["forget", "--run", str(folder), "1"]) == 2
    assert "--videos delete deletes the videos that would be wrong instead" in capsys.readouterr().err
    forget(open_run(folder), 1, videos="delete")
    assert {path.name for path in (folder / "video").iterdir()} == {"b.mp4"}
    assert _people(folder) == {2: ["a:2"], 3: ["b:1"]}


def test_runs_that_are_not_final_are_refused(folder: Path) -> None:
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(run | {"final": False}))
    with pytest.raises(InputError, match="did not reach its end"):
        open_run(folder)
    (folder / "run.json").write_text("{}")
    with pytest.raises(InputError, match="no configuration"):
        open_run(folder)


def test_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--run", str(folder), "--videos", "delete"]
    assert main(["merge", *place, "1", "3"]) == 0
    assert main(["split", *place, "1", "b:1"]) == 0
    assert main(["forget", *place, "2"]) == 0
    assert main(["split", *place, "1", "b1"]) == 2
    assert main(["forget", *place, "77"]) == 2
    captured = capsys.readouterr()
    assert "1 and 3 are person 1 now" in captured.out
    assert "person 2 is forgotten" in captured.out
    assert captured.err.count("relaytrack: error: ") == 2
    assert _people(folder) == {1: ["a:1"], 3: ["b:1"]}


def test_a_run_remembers_its_tracks(folder: Path) -> None:
    run = open_run(folder)
    assert isinstance(run, FinishedRun)
    assert run.ids == {("a", 1): 1, ("a", 2): 2, ("b", 1): 3}


def test_split_at_a_moment_cuts_the_track_that_goes_across_it(folder: Path) -> None:
    before = (folder / "tracks/a.txt").read_text().splitlines()
    new = split_at(open_run(folder), 2, 2.0, videos="delete")
    people = open_run(folder).data.people
    early, late = people[2][0], people[new][0]
    assert (early.first, early.last, early.frames) == (0.0, 1.999, 20)
    assert (late.first, late.last, late.frames) == (2.0, 2.9, 10)
    assert late.track not in (1, 2)
    lines = (folder / "global/a.txt").read_text().splitlines()
    assert [int(line.split(",")[0]) for line in lines if int(line.split(",")[1]) == new] == list(range(21, 31))
    after = (folder / "tracks/a.txt").read_text().splitlines()
    assert sorted(line.split(",")[2:] for line in before) == sorted(line.split(",")[2:] for line in after)
    assert {line.split(",")[1] for line in after} == {"1", "2", str(late.track)}
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [(e["old"], e["identity"]) for e in events if e["event"] == "revised" and e["kind"] == "manual"] == [
        (2, new)
    ]
    assert merge(open_run(folder), [2, new], videos="delete") == 2
    with pytest.raises(InputError, match="does not lie in between"):
        split_at(open_run(folder), 2, 5.0)


def test_split_from_the_command_line_wants_tracks_or_a_moment(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["split", "--run", str(folder), "2"]) == 2
    assert "--at" in capsys.readouterr().err
    assert main(["split", "--run", str(folder), "--videos", "delete", "2", "--at", "1.5"]) == 0
    assert "from 1.5 s on" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["merge", "1", "3"], ["split", "1", "--at", "0.5"], ["forget", "1"]], ids=lambda words: words[0]
)
def test_without_the_sources_nothing_is_changed_and_the_line_says_what_to_do(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault: `split --at` had cut the track in two before it was found; `merge` and `split` did not say what to do."""
    run = json.loads((folder / "run.json").read_text())
    for camera in run["config"]["cameras"]:
        Path(camera["url"]).unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    command, *rest = words
    assert main([command, "--run", str(folder), *rest]) == 2
    told = capsys.readouterr().err
    assert "no such file" in told
    assert "; nothing was changed; --videos delete deletes the videos that would be wrong instead" in told
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert main([command, "--run", str(folder), *rest, "--videos", "delete"]) == 0
