"""forget, merge and split on a live run: while it goes on, after it ended, after it was killed, and when it goes on."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from support.world import SIZE, Eyes, Walk, wait_for

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import InputError, OutputError
from relaytrack.pipeline.records import Detections, Floats, Frame
from relaytrack.pipeline.results.requests import Requests
from relaytrack.pipeline.results.run_lock import RunLock, is_held
from relaytrack.pipeline.sinks.outgoing.base import OutgoingSettings, OutgoingSink

COLORS = {1: (250, 30, 30), 2: (210, 30, 250)}
LOOKS = {1: (0.9, 0.1, 0.3, 0.2), 2: (-0.2, 0.95, -0.1, 0.15)}


def looks_of(person: int) -> Floats:
    vector = np.array(LOOKS[person], np.float32)
    return vector / np.linalg.norm(vector)


class Hall(Walk):
    """Two people who stand side by side: one in red, one in purple."""

    def frames(self) -> Iterator[Frame]:  # type: ignore[override]
        for frame in super().frames():
            image = np.full((SIZE[1], SIZE[0], 3), 60, np.uint8)
            step = frame.index % 20
            image[30:90, 10 + step : 34 + step] = COLORS[1]
            image[30:90, 100 + step : 124 + step] = COLORS[2]
            yield Frame(frame.camera, frame.index, frame.time, image, (0, 0), frame.arrived, frame.epoch)


class TwoEyes(Eyes):
    def detect(self, frames: Any) -> list[Detections]:
        found = []
        for frame in frames:
            step = frame.index % 20
            boxes = [[10 + step, 30, 34 + step, 90], [100 + step, 30, 124 + step, 90]]
            found.append(Detections(np.array(boxes, np.float32), np.full(2, 0.9, np.float32)))
        return found


class TwoLooks:
    """Knows the two by their colour."""

    input_size = (16, 8)
    dim = 4
    threshold = 0.5

    def embed(self, crops: torch.Tensor) -> Floats:
        blue = crops[:, 2].float().mean(dim=(1, 2)).cpu().numpy()
        middle = np.median(blue) if len(blue) > 1 else 0.0
        return np.stack([looks_of(2 if value > middle else 1) for value in blue])


class Away:
    """A receiver that is never there."""

    batch = 10

    def refresh(self) -> None:
        from relaytrack.pipeline.sinks.outgoing.base import DeliveryError

        raise DeliveryError("away")

    def send(self, messages: object) -> None: ...

    def close(self) -> None: ...


def start(out: Path, count: int | None = None, *, resume: bool = True) -> Pipeline:
    config = Config.model_validate({"output": {"dir": str(out), "resume": resume, "trail": 0, "crf": 5}})
    source = Hall("a", count, live=True, fps=20)
    run = Pipeline(config, sources=[source], detector=TwoEyes(), embedder=TwoLooks()).start()
    run.add_sink(OutgoingSink("away", Away(), OutgoingSettings(), out))
    return run


def people(out: Path) -> dict[int, list[str]]:
    content = json.loads((out / "identities.json").read_text())
    return {entry["id"]: [f"{t['camera']}:{t['track']}" for t in entry["tracks"]] for entry in content["identities"]}


def numbers(out: Path, name: str = "identities.db") -> dict[int, int]:
    """Which number the person in red (1) and the one in purple (2) have, by the store."""
    with closing(sqlite3.connect(out / name)) as store, store:
        rows = store.execute("SELECT identity, feature FROM tracks").fetchall()
    vectors = {row[0]: np.frombuffer(row[1], np.float16).astype(np.float32) for row in rows}
    return {person: max(vectors, key=lambda one: float(vectors[one] @ looks_of(person))) for person in LOOKS}


def colors(path: Path, person: int) -> int:
    """Pictures of a video, or 1 for a picture, with the person's shirt in them."""
    count = 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            image = frame.to_ndarray(format="rgb24").astype(int)
            count += int((np.abs(image - COLORS[person]).max(axis=2) < 40).sum() > 200)
    return count


def traces(out: Path, identity: int, person: int, tracks: list[int]) -> list[str]:
    """Everything in a folder that still tells of a person."""
    found = []
    vector = looks_of(person)
    needles = {vector.astype(kind).tobytes() for kind in (np.float16, np.float32, np.float64)}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if any(needle in data for needle in needles):
            found.append(f"{path}: embedding")
        if path.parent.parent.name in ("tracks", "global"):
            ids = {int(line.split(b",")[1]) for line in data.splitlines()}
            wrong = set(tracks) if path.parent.parent.name == "tracks" else {identity}
            found += [f"{path}: row"] if ids & wrong else []
        elif path.suffix in (".mp4", ".jpg") and colors(path, person):
            found.append(f"{path}: picture")
        elif path.name == "embeddings.npz":
            with np.load(path) as arrays:
                found += [f"{path}: embedding"] if set(arrays["track"].tolist()) & set(tracks) else []
        elif path.suffix == ".jsonl" or path.parent.name == "spool":
            words = (f'"identity": {identity},', f'"identity":{identity},', f'"identity": {identity}}}')
            words += tuple(f'"track":{track},' for track in tracks) + tuple(f'"track": {track},' for track in tracks)
            found += [f"{path}: event {word}" for word in words if word.encode() in data]
        elif path.name == "identities.json":
            found += [f"{path}: person"] if identity in people(out) else []
        elif path.name == "report.html" and f'id="person-{identity}"'.encode() in data:
            found.append(f"{path}: person")
    return found


def both_seen(out: Path) -> bool:
    return (out / "identities.db").exists() and len(set(numbers(out).values())) == 2


def track_numbers(out: Path, identity: int) -> list[int]:
    return [int(key.split(":")[1]) for key in people(out)[identity]]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[Path, Pipeline, Callable[[], None]]]:
    """A run that goes on, with both people known for two seconds."""
    out = tmp_path / "o"
    run = start(out)
    assert wait_for(lambda: (out / "identities.db").exists() and _count(out) == 2)
    threading.Event().wait(1.0)

    def end() -> None:
        run.stop()
        run.join(20)

    yield out, run, end
    run.stop()
    run.join(20)


def _count(out: Path) -> int:
    with closing(sqlite3.connect(out / "identities.db")) as store, store:
        rows = store.execute("SELECT count(DISTINCT identity) FROM tracks WHERE feature IS NOT NULL").fetchone()
    return int(rows[0])


def test_a_person_is_forgotten_while_the_run_goes_on(
    live: tuple[Path, Pipeline, Callable[[], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault: every live run was refused."""
    out, run, end = live
    identity = numbers(out)[2]
    assert main(["forget", "--run", str(out), str(identity)]) == 0
    said = capsys.readouterr().out
    assert said == f"person {identity} is forgotten in {out}\n"
    assert len(people(out)) == 1
    status = run.status()
    assert status.state == "running"
    frames = status.cameras["a"].frames
    assert wait_for(lambda: run.status().cameras["a"].frames > frames + 10)
    assert traces_of_the_past(out, identity) == []
    end()
    tracks = [1, 2] if identity == 2 else [1]
    own = [track for track in (1, 2) if track not in track_numbers(out, 3 - identity)]
    assert len(own) == 1, tracks
    left = traces(out, identity, 2, own)
    assert [line for line in left if "mp4" not in line] == [], "the videos show who is still in view, unmarked"
    assert len(people(out)) == 1
    assert colors(sorted((out / "video" / "a").iterdir())[0], 1) >= 0


def traces_of_the_past(out: Path, identity: int) -> list[str]:
    """What the closed files tell of a person."""
    first = sorted((out / "video" / "a").iterdir())[0]
    return [str(first)] if colors(first, 2) else []


def test_a_person_is_forgotten_after_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "o"
    run = start(out, 40)
    run.join(30)
    identity = numbers(out)[2]
    own = track_numbers(out, identity)
    assert traces(out, identity, 2, own), "there is something to forget"
    assert main(["forget", "--run", str(out), str(identity)]) == 0
    capsys.readouterr()
    assert traces(out, identity, 2, own) == []
    assert list(people(out)) == [3 - identity]
    assert main(["forget", "--run", str(out), str(identity)]) == 2
    assert f"there is no person {identity}" in capsys.readouterr().err
    again = start(out, 30)
    again.join(30)
    assert len(people(out)[3 - identity]) == 2, "who was not forgotten is known again"
    assert identity not in people(out), "who was forgotten is somebody new"


@pytest.mark.parametrize("named", [False, True])
def test_a_person_is_forgotten_from_anywhere(tmp_path: Path, named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: the store was looked for from the working folder of `forget`, and left out where it was not found."""
    monkeypatch.chdir(tmp_path)
    settings: dict[str, Any] = {"dir": "o", "trail": 0, **({"store": "people.db"} if named else {})}
    config = Config.model_validate({"output": settings})
    run = Pipeline(config, sources=[Hall("a", 40, live=True, fps=20)], detector=TwoEyes(), embedder=TwoLooks()).start()
    run.join(30)
    kept = tmp_path / "people.db" if named else tmp_path / "moved" / "identities.db"
    (tmp_path / "o").rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    identity = numbers(kept.parent, kept.name)[2]
    assert main(["forget", "--run", "../moved", str(identity)]) == 0
    with closing(sqlite3.connect(kept)) as store, store:
        assert store.execute("SELECT DISTINCT identity FROM tracks").fetchall() == [(3 - identity,)]


def test_after_a_kill_what_the_list_does_not_tell_of_goes_too(tmp_path: Path) -> None:
    out = tmp_path / "o"
    run = start(out, 40)
    run.join(30)
    identity = numbers(out)[2]
    own = track_numbers(out, identity)
    content = json.loads((out / "identities.json").read_text())
    for entry in content["identities"]:  # the list of the kill's moment has another track of theirs
        if entry["id"] == identity:
            for track in entry["tracks"]:
                track["track"] = 900
    (out / "identities.json").write_text(json.dumps(content))
    (out / "crops" / "a" / "5-1.jpg.partial").write_bytes(b"half")
    assert main(["forget", "--run", str(out), str(identity)]) == 0
    assert traces(out, identity, 2, own) == []
    assert not list(out.rglob("*.partial"))


def test_whom_the_list_does_not_tell_of_is_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: who came after the list was last written before a kill was unknown to `forget`."""
    out = tmp_path / "o"
    start(out, 40).join(30)
    identity = numbers(out)[2]
    own = track_numbers(out, identity)
    content = json.loads((out / "identities.json").read_text())
    content["identities"] = [entry for entry in content["identities"] if entry["id"] != identity]
    (out / "identities.json").write_text(json.dumps(content))
    with (
        closing(sqlite3.connect(out / "identities.db")) as store,
        store,
    ):  # the pictures' clock of this test is not that of the run
        ahead = store.execute("SELECT origin FROM runs").fetchone()[0] - content["clock_zero"]
        store.execute("UPDATE tracks SET first = first - ?, last = last - ?", (ahead, ahead))
    assert main(["forget", "--run", str(out), "77"]) == 2
    assert "there is no person 77" in capsys.readouterr().err
    assert main(["forget", "--run", str(out), str(identity)]) == 0
    assert traces(out, identity, 2, own) == []


@pytest.mark.parametrize("spoilt", ["tracks", "global", "cut", "embeddings"])
def test_forget_works_on_what_is_there(tmp_path: Path, spoilt: str, caplog: pytest.LogCaptureFixture) -> None:
    """Fault: lines in `global/` stayed where those in `tracks/` were missing; a damaged file refused the erasure."""
    out = tmp_path / "o"
    start(out, 40).join(30)
    identity = numbers(out)[2]
    own = track_numbers(out, identity)
    if spoilt == "cut":
        for path in [*(out / "tracks").rglob("*.txt"), *(out / "global").rglob("*.txt")]:
            path.write_bytes(path.read_bytes()[:-7])
    elif spoilt == "embeddings":
        (out / "embeddings.npz").write_bytes(b"PK")
    else:
        shutil.rmtree(out / spoilt)
    assert main(["forget", "--run", str(out), str(identity)]) == 0
    assert traces(out, identity, 2, own) == []
    assert (
        spoilt not in ("cut", "embeddings") or {"cut": "damaged lines", "embeddings": "deleted"}[spoilt] in caplog.text
    )


@pytest.mark.parametrize("alive", [True, False])
def test_merge_and_split(tmp_path: Path, alive: bool, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "o"
    for _ in range(2):  # each person has two tracks
        run = start(out, 30)
        run.join(30)
    assert {len(tracks) for tracks in people(out).values()} == {2}
    keep, gone = sorted(people(out))
    if alive:
        run = start(out)
        assert wait_for(lambda: run.status().identities >= 2)
    try:
        assert main(["merge", "--run", str(out), str(keep), str(gone)]) == 2
        assert "were in view at once" in capsys.readouterr().err
        assert main(["split", "--run", str(out), str(keep), people(out)[keep][0]]) == 0
        said = capsys.readouterr().out
        assert said == f"{people(out)[100_001][0]}: person 100001 now, no longer {keep}\n"
        assert main(["split", "--run", str(out), str(keep), "a:777"]) == 2
        assert f"a:777 is not one of person {keep}" in capsys.readouterr().err
        assert len(people(out)[100_001]) == 1
        assert main(["merge", "--run", str(out), str(keep), "100001"]) == 0
        assert capsys.readouterr().out == f"{keep} and 100001 are person {keep} now\n"
    finally:
        if alive:
            run.stop()
            run.join(20)
    assert sorted(people(out)) == [keep, gone]
    assert len(people(out)[keep]) == 2 + alive
    lines = b"".join(path.read_bytes() for path in (out / "global" / "a").iterdir())
    assert {int(line.split(b",")[1]) for line in lines.splitlines()} == {keep, gone}
    told = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert all(event["date"] for event in told if event["event"] == "revised"), "a live run's events have their date"


def test_a_program_merges_and_splits_people_of_its_run(tmp_path: Path) -> None:
    out = tmp_path / "o"
    start(out, 30).join(30)  # so that each person has two tracks
    run = start(out)
    try:
        assert wait_for(lambda: sorted(map(len, people(out).values())) == [2, 2])
        keep = min(people(out))
        camera, track = people(out)[keep][0].split(":")
        assert run.split_person(keep, [(camera, int(track))]) == 100_001
        assert people(out)[100_001] == [f"{camera}:{track}"]
        run.merge_people([keep, 100_001])
        assert len(people(out)[keep]) == 2
        assert 100_001 not in people(out)
        with pytest.raises(InputError, match="at least two"):
            run.merge_people([keep])
    finally:
        run.stop()
        run.join(20)


def test_a_merge_is_kept_by_the_next_start(tmp_path: Path) -> None:
    out = tmp_path / "o"
    run = start(out, 30)
    run.join(30)
    keep = min(people(out))
    other = max(people(out))
    requests = Requests(out)
    requests.note(requests.ask("merge", {"people": [keep, other]}), "done")
    assert requests.merged() == {other: keep}
    again = start(out, 30)
    again.join(30)
    assert len(people(out)[keep]) == 3, "both of the new tracks are theirs"


def test_what_a_kill_cut_short_is_finished_by_the_next_start(tmp_path: Path) -> None:
    out = tmp_path / "o"
    run = start(out, 30)
    run.join(30)
    identity = numbers(out)[2]
    Requests(out).ask("forget", {"person": identity, "delete_videos": True})
    own = track_numbers(out, identity)
    again = start(out)
    try:
        assert wait_for(lambda: not Requests(out).open())
    finally:
        again.stop()
        again.join(20)
    left = traces(out, identity, 2, own)
    assert [line for line in left if "mp4" not in line] == []


def test_one_run_at_a_time_writes_into_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "o"
    run = start(out)
    try:
        assert is_held(out)
        for resume in (True, False):
            config = Config.model_validate({"output": {"dir": str(out), "resume": resume, "overwrite": not resume}})
            with pytest.raises(OutputError, match="another run is writing into it"):
                Pipeline(config, sources=[Hall("a", 5, live=True)], detector=TwoEyes(), embedder=TwoLooks()).run()
        assert run.status().state == "running"
    finally:
        run.stop()
        run.join(20)
    assert not is_held(out)
    lock = RunLock(out)
    assert lock.acquire()
    assert lock.acquire()
    assert not RunLock(out).acquire()
    lock.release()


def test_a_run_that_does_not_answer_is_told_of(tmp_path: Path) -> None:
    from relaytrack.pipeline.postprocess.live_run import correct_live_run

    out = tmp_path / "o"
    run = start(out, 20)
    run.join(30)
    lock = RunLock(out)
    assert lock.acquire()
    with pytest.raises(OutputError, match="has not answered"):
        correct_live_run(out, "forget", {"person": 1}, patience=0.3)
    lock.release()
    with pytest.raises(InputError, match="no person 77"):
        correct_live_run(out, "forget", {"person": 77})
    assert 1 not in people(out), "what was asked for is carried out with the next one"
