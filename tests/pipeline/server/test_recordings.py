"""Recordings: an index, the video of any moment also while it is written, byte ranges, and what goes when."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import numpy as np
import pytest

from relaytrack.pipeline.records import Step
from relaytrack.pipeline.render.clips import cut_clip
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.results import recordings as recordings_module
from relaytrack.pipeline.results.folder import check_output
from relaytrack.pipeline.results.recordings import RecordingIndex, RecordingReader
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.server import recordings as server_recordings
from relaytrack.pipeline.server.recordings import NotRecordedError, Recordings
from tests.support.sites import YAML, Served, log_in, served, settled
from tests.support.world import picture, wait_for


@contextmanager
def recording(folder: Path, minutes: float = 10.0, **named: object) -> Iterator[Served]:
    """A site that records."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.yaml").write_text(
        YAML + f"output:\n  dir: {folder / 'recordings'}\n  segment_minutes: {minutes}\n  trail: 0\n"
    )
    with served(folder, **named) as site:  # type: ignore[arg-type]
        yield site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with recording(tmp_path_factory.mktemp("recording"), minutes=0.05) as running:
        settled(running)
        yield running


def pictures(data: bytes) -> list[tuple[float, np.ndarray]]:
    """(time, picture) of a video."""
    with av.open(io.BytesIO(data)) as container:
        return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def person_at(image: np.ndarray) -> float:
    """The left edge of the made-up person."""
    red = (image[..., 0].astype(int) - image[..., 1] > 120)[60:80]
    return float(np.nonzero(red.any(axis=0))[0].min())


def test_the_moment_of_a_sighting_can_be_played_while_it_is_written(site: Served) -> None:
    person = settled(site)
    sighting = site.get(f"/api/v1/people/{person['identity']}").json()["sightings"][-1]
    at = sighting["first"] + 0.5
    assert wait_for(lambda: site.get(f"/api/v1/recordings/moment?camera=door&at={at}").status_code == 200, 10)
    found = site.get(f"/api/v1/recordings/moment?camera=door&at={at}").json()
    assert found["start"] <= at <= found["end"]
    shown = pictures(site.get(found["clip"]).content)
    place = min(shown, key=lambda one: abs(one[0] - found["offset"]))
    assert abs(found["start"] + place[0] - at) < 0.2, "the moment itself, within a picture"
    # the person walks one pixel per picture from 10 on, so that their place tells the time of a picture
    begun = site.site.recordings.find(camera="door")[0].start
    assert abs(person_at(place[1]) - (10 + 20 * (at - begun)) % 100) < 8


def test_files_are_cut_into_segments_with_an_index(site: Served) -> None:
    assert wait_for(lambda: len(site.get("/api/v1/recordings?camera=door").json()["recordings"]) >= 3, 15)
    found = site.get("/api/v1/recordings?camera=door").json()["recordings"]
    assert [one["writing"] for one in found][-2:] == [False, True]
    for before, after in itertools.pairwise(found):
        assert 0 < after["start"] - before["end"] < 0.5
    second = found[1]
    whole = site.get(second["video"]).content
    assert len(whole) == second["bytes"]
    times = [moment for moment, _ in pictures(whole)]
    assert abs(times[-1] - (second["end"] - second["start"])) < 0.1
    middle = (second["start"] + second["end"]) / 2
    assert site.get(f"/api/v1/recordings?since={middle}&until={middle}").json()["recordings"] == [second]
    run = site.get("/api/v1/runs").json()["runs"][0]
    assert run["running"]
    assert run["cameras"]["door"]["files"] >= 3
    assert run["bytes"] > len(whole)


def test_parts_can_be_asked_for(site: Served) -> None:
    assert wait_for(lambda: len(site.get("/api/v1/recordings").json()["recordings"]) >= 2, 15)
    one = site.get("/api/v1/recordings").json()["recordings"][0]
    for path in (one["video"], f"/api/v1/recordings/clip.mp4?camera=door&at={one['start'] + 1}"):
        whole = site.get(path).content
        part = site.get(path, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, whole[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
        assert site.get(path, headers={"Range": "bytes=-7"}).content == whole[-7:]
        assert site.get(path, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416


def test_what_was_not_recorded_is_said(site: Served) -> None:
    now = site.site.recordings.find(camera="door")[-1]
    early = site.get("/api/v1/recordings/moment?camera=door&at=1000")
    assert (early.status_code, "nothing of camera door" in early.json()["detail"]) == (404, True)
    assert site.get("/api/v1/recordings/moment?camera=attic&at=1000").status_code == 404
    assert site.get(f"/api/v1/recordings/moment?camera=door&at={now.start + 900}").status_code == 404
    assert site.get("/api/v1/recordings/moment?camera=door&at=nan").status_code == 422


@pytest.mark.parametrize(
    "path",
    ["../../site.yaml", "x/door/../../../site", "{run}/door/..%2f..%2f..%2fsite", "{run}/../site", "{run}/door/index"],
)
def test_only_recordings_can_be_read(site: Served, path: str) -> None:
    run = site.site.recordings.runs()[0].name
    answer = site.get(f"/api/v1/recordings/{path.format(run=run)}.mp4")
    assert answer.status_code == 404


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    folder = tmp_path / "root" / "20260101T000000" / "video" / "door"
    folder.mkdir(parents=True)
    (folder.parent.parent / ".relaytrack.json").write_text('{"cameras": ["door"]}')
    (folder / "20260101T000001.mp4").symlink_to(tmp_path / "secret.mp4")
    (folder / "20260101T000002.mp4").write_bytes(b"ours")
    known = Recordings(tmp_path / "root", None)
    assert known.file("20260101T000000", "door", "20260101T000001") is None
    assert known.file("20260101T000000", "door", "20260101T000002") is not None


def test_a_second_file_of_one_second_is_found_by_its_name(tmp_path: Path) -> None:
    """Fault: `..._2.mp4`, as it is after a full disk, was listed and could not be played."""
    folder = tmp_path / "root" / "20260101T000000" / "video" / "door"
    folder.mkdir(parents=True)
    (folder.parent.parent / ".relaytrack.json").write_text('{"cameras": ["door"]}')
    known = Recordings(tmp_path / "root", None)
    for name in ("20260101T000001+0100", "20260101T000001+0100_2", "20260101T000001-3"):
        (folder / f"{name}.mp4").write_bytes(b"ours")
        assert known.file("20260101T000000", "door", name) is not None, name


def test_a_failed_look_at_old_recordings_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: one file that could not be deleted ended the deleting until the next start, and the disk filled up."""
    monkeypatch.setattr(server_recordings, "_SWEEP", 0.0)
    known = Recordings(tmp_path / "root", None)
    host = SinkHost()
    host.add(known)
    looks = []

    def sweep() -> None:
        looks.append(len(looks))
        if len(looks) == 1:
            raise PermissionError("busy")

    monkeypatch.setattr(known, "sweep", sweep)
    for moment in range(3):
        host.put(Step(float(moment)))
    assert wait_for(lambda: len(looks) > 2)
    host.close()


def test_strangers_see_no_recording(tmp_path: Path) -> None:
    with recording(tmp_path, users={"root": "admin", "ada": "viewer"}) as site:
        assert wait_for(lambda: site.site.recordings.find())
        one = site.site.recordings.find()[0]
        path = f"/api/v1/recordings/{one.run}/door/{one.path.name}"
        assert site.get(path).status_code == 401
        assert site.get(f"/api/v1/recordings/moment?camera=door&at={one.start}").status_code == 401
        with log_in(site, "ada") as viewer:
            for begin in (0, 10, 20):  # a player asks for it piece by piece
                assert viewer.get(path, headers={"Range": f"bytes={begin}-{begin + 9}"}).status_code == 206
        actions = [entry["action"] for entry in site.site.audit.recent()]
        assert actions[0] == "recording read"
        assert actions.count("recording read") == 1, "noted once a minute"


def test_a_site_without_recordings_says_so(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        answer = site.get("/api/v1/recordings/moment?camera=door&at=1000000000")
        assert answer.status_code == 404
        assert "records nothing" in answer.json()["detail"]
        assert site.get("/api/v1/runs").json() == {"recording": False, "runs": []}


def test_a_clip_of_a_growing_file_ends_where_the_file_does(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    encoder = Encoder(path)
    for index in range(100):
        encoder.write(picture(index), index / 10)
    clip = cut_clip(path, 5.3, 20.0)
    assert clip is not None
    assert clip.start == 4.0, "the key frame before"
    assert 9.0 < clip.end <= 9.9
    assert cut_clip(path, 30.0, 5.0) is None, "not there yet"
    with path.open("ab") as file:
        file.write(b"\0\0\1\0moof half")  # as a reader may find it
    assert (again := cut_clip(path, 5.3, 20.0)) is not None
    assert again.data == clip.data
    assert cut_clip(tmp_path / "none.mp4", 0.0, 1.0) is None
    encoder.close()


def test_the_index_outlives_a_kill(tmp_path: Path) -> None:
    video = tmp_path / "video"
    index = RecordingIndex(video)
    index.begin(video / "door" / "1.mp4", "door", 100.0)
    index.end(video / "door" / "1.mp4", 109.9)
    index.begin(video / "door" / "2.mp4", "door", 110.0)
    reader = RecordingReader(tmp_path)
    assert [(one.start, one.end) for one in reader.recordings()] == [(100.0, 109.9), (110.0, None)]
    with (video / "index.jsonl").open("a") as file:
        file.write('{"file": "door/2.mp4", "en')
    assert len(reader.recordings()) == 2
    with (video / "index.jsonl").open("a") as file:
        file.write('d": 115.0}\nnonsense\n[]\n')
    assert reader.recordings()[1].end == 115.0


def made_run(root: Path, name: str, sizes: int, age: float) -> Path:
    folder = root / name
    (folder / "video" / "door").mkdir(parents=True)
    (folder / ".relaytrack.json").write_text('{"cameras": ["door"]}')
    for minute in range(sizes):
        path = folder / "video" / "door" / f"{name[:9]}00{minute:02}00.mp4"
        path.write_bytes(bytes(100))
        os.utime(path, (time.time() - age, time.time() - age))
    return folder


def test_recordings_of_all_starts_go_by_age_and_size(tmp_path: Path) -> None:
    old = made_run(tmp_path, "20260101T000000", 3, age=5000.0)
    (old / "notes.txt").write_text("somebody's own")
    before = made_run(tmp_path, "20260102T000000", 4, age=50.0)
    current = made_run(tmp_path, "20260103T000000", 3, age=10.0)
    known = Recordings(tmp_path, current, retain=1000.0, limit=350.0)
    known.sweep()
    assert [path.name for path in old.iterdir()] == ["notes.txt"], "what is somebody's own stays"
    assert len(list(before.glob("video/door/*"))) == 1
    assert len(list(current.glob("video/door/*"))) == 3, "what is being written stays"
    known = Recordings(tmp_path, current, retain=1000.0, limit=0.0)
    known.sweep()
    assert not before.exists()
    assert len(list(current.glob("video/door/*"))) == 1


def test_a_deleted_recording_is_said_to_be_deleted(tmp_path: Path) -> None:
    folder = made_run(tmp_path, "20260101T000000", 1, age=0.0)
    path = folder / "video" / "door" / "20260101T000000.mp4"
    RecordingIndex(folder / "video").begin(path, "door", 100.0)
    path.unlink()
    with pytest.raises(NotRecordedError, match="deleted already"):
        Recordings(tmp_path, None).at("door", 101.0)


def test_a_run_with_an_index_can_be_overwritten(tmp_path: Path) -> None:
    from relaytrack.pipeline.config.loading import load_config
    from relaytrack.pipeline.results.folder import prepare_output

    folder = made_run(tmp_path, "20260101T000000", 1, age=0.0)
    RecordingIndex(folder / "video").begin(folder / "video" / "door" / "20260101T000000.mp4", "door", 100.0)
    check_output(folder, overwrite=True)
    prepare_output(load_config(data={"output": {"dir": str(folder), "overwrite": True}}))
    assert not (folder / "video").exists()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own; skips where this user may not mount one."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_recordings_begin_again_by_themselves_when_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    with small_disk(tmp_path / "disk", "64m") as disk:
        (tmp_path / "site/site.yaml").write_text(
            YAML + f"output:\n  dir: {disk / 'recordings'}\n  segment_minutes: 10\n  trail: 0\n"
        )
        with served(tmp_path / "site", fps=10.0) as site:
            settled(site)

            def status() -> dict[str, str]:
                return dict(site.get("/api/v1/status").json()["recording"])

            assert wait_for(lambda: status()["state"] == "on")
            begun = site.get("/api/v1/cameras/door").json()["last"]
            first = f"/api/v1/recordings/moment?camera=door&at={begun}"
            assert wait_for(lambda: site.get(first).status_code == 200, 20)
            with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
                while filler.write(bytes(1_000_000)):
                    pass
            assert wait_for(lambda: status()["state"] == "stopped", 40)
            assert "Recordings have stopped" in site.get("/").text
            assert "No space left" in status()["error"] or "full" in status()["error"]
            frames = site.get("/api/v1/cameras/door").json()["frames"]
            assert wait_for(lambda: site.get("/api/v1/cameras/door").json()["frames"] > frames + 10)
            (disk / "filler").unlink()
            assert wait_for(lambda: status()["state"] == "on", 60), status()
            assert "Recordings have stopped" not in site.get("/").text
            assert wait_for(lambda: "recordings are back" in site.get("/events").text)
            kinds = [one["event"] for one in site.get("/api/v1/events").json()["events"]]
            assert {"recording_lost", "recording_back"} <= set(kinds)
            now = site.get("/api/v1/cameras/door").json()["last"]
            address = f"/api/v1/recordings/moment?camera=door&at={now}"
            assert wait_for(lambda: site.get(address).status_code == 200, 20)
            videos = list(disk.rglob("*.mp4"))
            assert len(videos) == 2, "one before and one after"
            for video in videos:
                with av.open(str(video)) as container:
                    assert next(container.decode(video=0))


def test_the_index_of_a_run_of_months_tells_of_deleted_files_for_a_while_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: index.jsonl, and what a site remembered of it, grew with every file that was ever written."""
    monkeypatch.setattr(recordings_module, "MOST_BYTES", 4_000)
    monkeypatch.setattr(recordings_module, "_MOST_KNOWN", 40)
    folder = tmp_path / "video"
    (folder / "gate").mkdir(parents=True)
    index, reader, sizes = RecordingIndex(folder), RecordingReader(tmp_path), []
    for number in range(400):
        path = folder / "gate" / f"{number:06d}.mp4"
        index.begin(path, "gate", float(number))
        path.write_bytes(b"")
        index.end(path, number + 1.0)
        if number >= 10:
            (folder / "gate" / f"{number - 10:06d}.mp4").unlink()
        sizes.append((folder / "index.jsonl").stat().st_size)
        if number % 7 == 0:
            assert reader.recordings()[-1].start == number
    assert max(sizes) < 4_200
    there = [one for one in reader.recordings() if one.path.exists()]
    assert [(one.start, one.end) for one in there] == [(float(n), n + 1.0) for n in range(390, 400)]
    assert len(reader.recordings()) <= 41
    assert [one.start for one in RecordingReader(tmp_path).recordings()][-10:] == [float(n) for n in range(390, 400)]
