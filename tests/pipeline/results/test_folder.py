"""The output folder: what is refused, what is removed, who may read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.folder import check_output, open_private, prepare_output, write_atomically, writing


def _config(folder: Path, *cameras: str, overwrite: bool = False) -> Config:
    return Config.model_validate(
        {
            "cameras": [{"url": f"{name}.mp4", "name": name} for name in cameras],
            "output": {"dir": str(folder), "overwrite": overwrite},
        }
    )


def _fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_creates_missing_folders_for_the_owner_only(tmp_path: Path) -> None:
    folder = prepare_output(_config(tmp_path / "a" / "b", "gate"))
    write_atomically(folder / "crops" / "gate" / "1.jpg", "x")
    for path in (tmp_path / "a", folder, folder / "crops", folder / "crops" / "gate"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in (folder / "crops" / "gate" / "1.jpg", *folder.glob(".*")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_refuses_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    _fill(tmp_path, "notes.txt")
    with pytest.raises(OutputError, match="not empty"):
        check_output(tmp_path)
    with pytest.raises(OutputError, match="not empty"):
        prepare_output(_config(tmp_path, "gate"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt"]


def test_refuses_a_file_in_its_place(tmp_path: Path) -> None:
    _fill(tmp_path, "out")
    with pytest.raises(OutputError, match="there is a file"):
        prepare_output(_config(tmp_path / "out", "gate", overwrite=True))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_names_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match=r"locked/out: Permission denied"):
        prepare_output(_config(tmp_path / "locked" / "out", "gate"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc, where nobody may make a folder")
def test_names_a_folder_where_nobody_may_write() -> None:
    with pytest.raises(OutputError, match=r"^cannot create the output folder /proc/relaytrack/out: "):
        prepare_output(_config(Path("/proc/relaytrack/out"), "gate"))


def test_names_a_folder_below_a_file(tmp_path: Path) -> None:
    _fill(tmp_path, "file")
    with pytest.raises(OutputError, match=r"cannot create the output folder .*file/out: "):
        prepare_output(_config(tmp_path / "file" / "out", "gate"))


def test_overwrite_removes_what_a_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    prepare_output(_config(tmp_path, "gate", "yard"))
    ours = (
        "run.json",
        "identities.json",
        "report.html",
        "events.jsonl",
        "video/gate.mp4",
        "video/mosaic.mp4",
        "video/yard.mp4.partial",
        "video/gate/20261120T120000.mp4",
        "tracks/gate.txt",
        "global/yard/20261120T120000-2.txt",
        "hidden/gate.txt",
        "hidden/yard.forgotten.txt",
        "crops/12.jpg",
        "crops/gate/3-1.jpg",
        "embeddings.npz",
    )
    foreign = (
        "notes.txt",
        "video/holiday.mp4",
        "video/other/20261120T120000.mp4",
        "video/gate/holiday.mp4",
        "tracks/gate.csv",
        "crops/me.jpg",
        "deep/run.json",
    )
    _fill(tmp_path, *ours, *foreign)
    prepare_output(_config(tmp_path, "gate", overwrite=True))
    assert not [name for name in ours if (tmp_path / name).exists()]
    assert not [name for name in foreign if not (tmp_path / name).exists()]
    assert not (tmp_path / "global").exists()  # empty folders go too


def test_overwrite_refuses_where_a_foreign_file_has_a_results_name(tmp_path: Path) -> None:
    _fill(tmp_path, "video/gate.mp4")  # no marker: not RelayTrack's
    with pytest.raises(OutputError, match=r"video/gate\.mp4 exists and was not written by RelayTrack"):
        prepare_output(_config(tmp_path, "gate", overwrite=True))
    assert (tmp_path / "video/gate.mp4").read_text() == "x"


def test_overwrite_follows_no_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    _fill(outside, "gate.mp4")
    folder = prepare_output(_config(tmp_path / "out", "gate"))
    (folder / "video").symlink_to(outside)
    (folder / "run.json").symlink_to(outside / "gate.mp4")
    with pytest.raises(OutputError, match=r"run\.json"):
        prepare_output(_config(folder, "gate", overwrite=True))
    assert (outside / "gate.mp4").read_text() == "x"


def test_a_failed_write_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_atomically(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot write .*run\.json: No space left on device"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_open_private_keeps_the_mode_under_a_wide_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with open_private(tmp_path / "sub" / "x.txt", "w") as file:
            file.write("é")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "sub" / "x.txt").stat().st_mode) == 0o600


def test_writing_turns_system_errors_into_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"^cannot write .*a\.txt: No such file or directory$"),
        writing(tmp_path / "a.txt"),
    ):
        raise FileNotFoundError(2, "No such file or directory")
