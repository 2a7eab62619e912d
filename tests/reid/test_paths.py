"""`~` and `file://` mean the same in every configuration and option."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaytrack.reid.cli import build_parser, main
from relaytrack.reid.installed import find_weights
from relaytrack.reid.paths import file_path, plain_path
from relaytrack.reid.training.config_file import parse_config


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and another one to work in."""
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def test_home_is_expanded(home: Path) -> None:
    assert plain_path("~") == str(home)
    assert plain_path("~/a b.mp4") == f"{home}/a b.mp4"
    assert file_path("~/x") == home / "x"
    Path("~").mkdir()  # what an earlier version left behind
    assert plain_path("~/x") == f"{home}/x"


@pytest.mark.parametrize("name", ["~x.mp4", "~nobody-of-this-name/x", "a~", "./~/x", "x/~y", "rtsp://~/x"])
def test_other_tildes_stay(name: str) -> None:
    assert plain_path(name) == name


def test_a_file_called_like_a_home_folder_wins() -> None:
    Path("~root").touch()
    assert plain_path("~root") == "~root"


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("file:///a/sp%20ace/c.mp4", "/a/sp ace/c.mp4"),
        ("FILE:///a/c.mp4", "/a/c.mp4"),
        ("file://localhost/a/%C3%A9.mp4", "/a/é.mp4"),
        ("file:///a/100%25.mp4", "/a/100%.mp4"),
        ("file:/a/sp%20ace.mp4", "/a/sp ace.mp4"),
        ("File:a.mp4", "a.mp4"),
    ],
)
def test_file_addresses_are_decoded(address: str, path: str) -> None:
    assert plain_path(address) == path


def test_a_name_with_percent_signs_wins_where_it_exists(home: Path) -> None:
    (home / "100%25.mp4").touch()
    assert plain_path(f"file://{home}/100%25.mp4") == f"{home}/100%25.mp4"


def test_paths_of_a_training_configuration(home: Path) -> None:
    config = parse_config(
        {"data": {"sources": [{"root": "~/people"}]}, "run": {"out": "~/o"}, "model": {"init": "file:///a%20b"}}
    )
    assert config.data.sources[0].root == home / "people"
    assert (config.run.out, config.model.init) == (home / "o", "/a b")


def test_a_home_folder_in_a_file_address(home: Path) -> None:
    assert plain_path("file:~/a%20b.mp4") == f"{home}/a b.mp4"
    Path("file:x.mp4").touch()
    assert plain_path("file:x.mp4") == "file:x.mp4"


def test_a_null_character_is_refused() -> None:
    with pytest.raises(ValueError, match="null character"):
        plain_path("a\0b")


def test_paths_of_reid_guide(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: a data set in `~/people`, or an output folder behind `--out=`, was looked for in a folder called `~`."""
    asked: list[Path] = []
    monkeypatch.setattr("relaytrack.reid.guided.teacher.load_teacher", lambda path, _: asked.append(path))
    argv = ["guide", "--teacher", "retail-0286", "--source", "folder=~/people", "--out=~/o", "--answers=~/a"]
    assert main(argv) == 2
    assert f"folder: no folder {home}/people" in capsys.readouterr().err
    assert (home / "o").is_dir()
    assert not Path("~").exists()
    assert build_parser().parse_args(argv).answers == home / "a"
    assert asked == [find_weights("retail-0286")], "a teacher may be named as other commands name weights"
