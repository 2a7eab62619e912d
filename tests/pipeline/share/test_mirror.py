"""A shared place is kept like a folder of results, also over kills and failures."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from relaytrack.pipeline.cluster.node_share import of_cameras, of_site
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.run_lock import RunLock
from relaytrack.pipeline.share import keeper as keeping
from relaytrack.pipeline.share.finished import complete_segments
from relaytrack.pipeline.share.keeper import ShareKeeper
from relaytrack.pipeline.share.leftovers import bring_leftovers
from relaytrack.pipeline.share.mirror import Mirror
from relaytrack.pipeline.share.notes import NAME, ShareNotes
from relaytrack.pipeline.share.places import SharedPlace, open_place
from tests.support.world import wait_for

EARLY, LATE = "20261120T133000+0100", "20261120T134000+0100"


def write(folder: Path, name: str, text: str = "x") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


class Unsteady:
    """A place that refuses while `away`; counts what it was asked to put."""

    def __init__(self, place: SharedPlace) -> None:
        self._place, self.address = place, place.address
        self.away = False
        self.puts: list[str] = []
        self.names, self.exists, self.fetch = place.names, place.exists, place.fetch

    def put(self, name: str, file: Path) -> None:
        if self.away:
            raise OutputError(f"cluster.share: cannot write {name}: {self.address}")
        self.puts.append(name)
        self._place.put(name, file)

    def remove(self, name: str) -> None:
        if self.away:
            raise OutputError(f"cluster.share: cannot remove {name}: {self.address}")
        self._place.remove(name)


def test_new_files_go_there_once_and_what_went_is_removed(place: SharedPlace, tmp_path: Path) -> None:
    folder, there = tmp_path / "run", Unsteady(place)
    for name in ("run.json", "crops/gate/1-0.jpg", "video/gate.mp4", "video/half.mp4.partial", "requests.db-journal"):
        write(folder, name)
    (folder / "link").symlink_to(folder / "run.json")
    Mirror(folder, there).bring()
    assert place.names() == ["crops/gate/1-0.jpg", "run.json", "video/gate.mp4"]
    assert there.puts[-1] == "run.json", "lists come after what they name"
    Mirror(folder, there).bring()
    assert len(there.puts) == 3, "what is there is not put again, also by another program"
    write(folder, "run.json", "longer")
    (folder / "crops/gate/1-0.jpg").unlink()
    Mirror(folder, there).bring()
    assert there.puts[3:] == ["run.json"]
    assert place.names() == ["run.json", "video/gate.mp4"]


def test_a_kill_while_a_file_is_put_leaves_nothing_unknown(place: SharedPlace, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    path = write(folder, f"video/gate/{EARLY}.mp4")

    class Killed(Unsteady):
        def put(self, name: str, file: Path) -> None:
            super().put(name, file)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Mirror(folder, Killed(place), together=True).bring()
    with (folder / NAME).open("a") as notes:
        notes.write('{"file": "video/ga')  # as after a power failure
    Mirror(folder, place, together=True).bring()
    assert place.names() == [f"video/gate/{EARLY}.mp4"], "the same name is used again"
    path.unlink()
    Mirror(folder, place, together=True).bring()
    assert place.names() == []


def test_two_machines_with_a_file_of_one_name_keep_both(place: SharedPlace, tmp_path: Path) -> None:
    name = f"video/gate/{EARLY}.mp4"
    for node in ("node1", "node2"):
        write(tmp_path / node, name, node)
        Mirror(tmp_path / node, place, of_cameras, together=True).bring()
    assert place.names() == [name, f"video/gate/{EARLY}_2.mp4"]
    (tmp_path / "node2" / name).unlink()
    Mirror(tmp_path / "node2", place, of_cameras, together=True).bring()
    assert place.names() == [name], "each removes its own"


def test_what_belongs_to_one_camera_goes_there_from_its_machine() -> None:
    mine = ["video/gate.mp4", f"tracks/gate/{EARLY}.txt", "crops/gate/1-0.jpg", "hidden/gate.txt"]
    others = ["identities.json", "video/index.jsonl", "video/mosaic.mp4", f"video/mosaic/{EARLY}.mp4", "crops/3.jpg"]
    assert [name for name in (*mine, *others) if of_cameras(name)] == mine
    assert [name for name in (*mine, *others, "requests.db") if of_site(name)] == [*mine, *others]


def test_the_newest_segment_waits_until_the_next_one_begins(tmp_path: Path) -> None:
    early, late = f"video/gate/{EARLY}.mp4", f"video/gate/{LATE}.mp4"
    for name in (early, late, "crops/gate/1-0.jpg", "events.jsonl", "video/index.jsonl"):
        write(tmp_path, name)
    ready = complete_segments(tmp_path)
    assert [
        name for name in (early, late, "crops/gate/1-0.jpg", "events.jsonl", "video/index.jsonl") if ready(name)
    ] == [
        early,
        "crops/gate/1-0.jpg",
    ]
    assert complete_segments(tmp_path, lambda: time.time() + 120)(late), "nothing was added for a minute"


def test_a_place_that_is_away_is_told_once_and_tried_again(
    place: SharedPlace, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_EVERY", 0.1)
    monkeypatch.setattr(keeping, "_LOOK", 0.05)
    monkeypatch.setattr(keeping, "_FIRST", 0.05)
    monkeypatch.setattr(keeping, "_LONGEST", 0.1)
    there, over = Unsteady(place), False
    there.away = True
    early, late = f"video/gate/{EARLY}.mp4", f"video/gate/{LATE}.mp4"
    write(tmp_path / "run", early)
    write(tmp_path / "run", late)
    keeper = ShareKeeper(Mirror(tmp_path / "run", there), tmp_path / "run", live=True, is_over=lambda: over)
    keeper.start()
    assert wait_for(lambda: keeper.status().left == 1, 20)
    time.sleep(0.4)
    assert len([one for one in caplog.messages if "it is tried again" in one]) == 1
    there.away = False
    assert wait_for(lambda: place.names() == [early], 20)
    assert wait_for(lambda: keeper.status().left == 0, 20)
    assert "the shared place is reached again" in caplog.messages
    write(tmp_path / "run", "identities.json")
    keeper.hurry()
    assert wait_for(lambda: "identities.json" in place.names(), 20), "a correction is brought at once"
    over = True
    assert wait_for(lambda: keeper.status().over, 20)
    assert place.names() == ["identities.json", early, late]


def test_what_cannot_be_brought_at_the_end_is_told_and_stays(
    place: SharedPlace, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_PATIENCE", 0.3)
    monkeypatch.setattr(keeping, "_FIRST", 0.05)
    there = Unsteady(place)
    there.away = True
    write(tmp_path / "run", "tracks/gate.txt")
    keeper = ShareKeeper(Mirror(tmp_path / "run", there), tmp_path / "run", live=False, is_over=lambda: True)
    keeper.start()
    assert wait_for(lambda: keeper.status().over, 20)
    assert keeper.status().left == 1
    assert f"1 files are not at the shared place; they lie in {tmp_path / 'run'}" in caplog.messages
    assert (tmp_path / "run/tracks/gate.txt").exists()


def test_what_earlier_work_has_left_does_not_hold_up_the_end(
    place: SharedPlace, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_EVERY", 0.1)
    monkeypatch.setattr(keeping, "_LOOK", 0.05)

    def fail() -> None:
        raise OutputError("cluster.share: the place of an earlier start is gone")

    over = False
    write(tmp_path / "run", "run.json")
    mirror = Mirror(tmp_path / "run", place)
    keeper = ShareKeeper(mirror, tmp_path / "run", live=True, is_over=lambda: over, also=fail)
    keeper.start()
    assert wait_for(lambda: place.names() == ["run.json"], 20), "its own files are there all the same"
    assert wait_for(lambda: any("an earlier start is gone" in one for one in caplog.messages), 20)
    over = True
    assert wait_for(lambda: keeper.status().over, 20)
    assert keeper.status().left == 0
    assert not [one for one in caplog.messages if "are not at the shared place" in one]


@pytest.mark.parametrize("address", ["folder"], indirect=True)
def test_the_next_start_brings_what_a_killed_one_has_left(address: str, tmp_path: Path) -> None:
    place = open_place(address)
    folder = tmp_path / "site" / EARLY
    write(folder, f"video/gate/{EARLY}.mp4")
    Mirror(folder, place, of_site).bring()
    write(folder, "crops/gate/1-0.jpg")
    lock = RunLock(folder)
    assert lock.acquire()
    bring_leftovers(tmp_path / "site", of_site)
    assert len(place.names()) == 1, "nobody meddles with work that goes on"
    lock.release()
    bring_leftovers(tmp_path / "site", of_site)
    assert len(place.names()) == 2
    for path in [path for path in folder.rglob("*") if path.is_file() and path.name != NAME]:
        path.unlink()
    bring_leftovers(tmp_path / "site", of_site)
    assert place.names() == [], "what became too old went there, too"
    assert not (folder / NAME).exists()


def test_the_notes_of_a_run_of_months_leave_out_what_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: three lines of every file that was ever put stayed, and each start read them."""
    monkeypatch.setattr("relaytrack.pipeline.share.notes.MOST_BYTES", 3_000)
    notes, sizes = ShareNotes(tmp_path, "file:///away"), []
    for number in range(200):
        name = f"video/gate/{number}.mp4"
        notes.claim(name, name)
        notes.put(name, name, number, 17)
        if number >= 5:
            notes.gone(f"video/gate/{number - 5}.mp4")
        sizes.append((tmp_path / NAME).stat().st_size)
    notes.claim("last", "other")
    assert max(sizes) < 3_500
    again = ShareNotes(tmp_path, "file:///away")
    assert again.files == notes.files
    assert again.files["video/gate/199.mp4"].size == 199
    assert again.files["last"].size is None
    assert len(again.files) == 6
