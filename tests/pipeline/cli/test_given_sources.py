"""`--source` with patterns and folders of videos."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from relaytrack.pipeline.cli.given_sources import cameras_of
from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, samples: Path) -> Path:
    """A folder of three videos, with a text and a hidden file beside them."""
    for name in ("cam10.mp4", "cam2.MP4", "cam1.mkv", "notes.txt", "._cam1.mkv"):
        (tmp_path / name).touch()
    return tmp_path


def names(source: str) -> list[str]:
    """The file names of the cameras."""
    return [Path(camera["url"]).name for camera in cameras_of(source)]


def test_a_folder_of_videos_is_a_camera_for_each(folder: Path) -> None:
    assert names(str(folder)) == ["cam1.mkv", "cam2.MP4", "cam10.mp4"]
    with pytest.raises(ConfigError, match="3 videos cannot all be named 'door'"):
        cameras_of(f"door={folder}")


def test_a_folder_of_pictures_stays_one_camera(folder: Path) -> None:
    (folder / "img1").mkdir()
    assert names(str(folder)) == [folder.name]


def test_videos_among_pictures_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "thumb.jpg").touch()
    assert main(["run", "--source", str(folder)]) == 2
    assert "3 videos and 1 pictures" in capsys.readouterr().err


def test_a_folder_of_videos_in_a_configuration_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (folder / "c.yaml").write_text("cameras: [.]\n")
    assert main(["run", str(folder / "c.yaml"), "--out", str(tmp_path / "o")]) == 2
    assert "no images in this folder; it holds 3 videos" in capsys.readouterr().err


def test_patterns_are_filled_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(f"{folder}/*.mp4") == ["cam10.mp4"]
    assert names(f"{folder}/cam[12].*") == ["cam1.mkv", "cam2.MP4"]
    monkeypatch.chdir(folder)
    assert names("a=cam1?.mp4") == ["cam10.mp4"]
    with pytest.raises(ConfigError, match=r"\*\.avi: no file fits"):
        cameras_of("*.avi")
    Path("[x].mp4").touch()
    assert names("[x].mp4") == ["[x].mp4"]


@pytest.mark.parametrize("url", ["rtsp://u:p@10.0.0.5/a?b=*", "webcam:0", "gone.mp4", "a=b=c"])
def test_other_words_stay_one_camera(url: str) -> None:
    assert len(cameras_of(url)) == 1


def test_a_run_over_a_folder_of_videos(tmp_path: Path, samples: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        shutil.copy(samples / "west.mp4", tmp_path / "in" / f"{name}.mp4")
    words = ["--out", str(tmp_path / "o"), "--max-seconds", "0.3", "--no-video"]
    assert main(["run", "--source", str(tmp_path / "in"), *words]) == 0
    assert sorted(path.name for path in (tmp_path / "o" / "tracks").iterdir()) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("name", ["front door", "T\u00fcr", "a.b", "a/b"])
def test_a_name_that_no_camera_can_have_is_told(name: str, folder: Path) -> None:
    for url in (str(folder / "cam1.mkv"), "rtsp://bob:s3cret@10.0.0.5/1"):
        with pytest.raises(ConfigError, match="not a camera name") as found:
            cameras_of(f"{name}={url}")
        assert repr(name) in str(found.value)
        assert "s3cret" not in str(found.value)
    address = "rtsp://10.0.0.5/live?channel=1&next=rtsp://x"
    assert cameras_of(address) == [{"url": address}]


def test_a_file_whose_name_is_no_utf8_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--source", str(tmp_path / "by\udcff.mp4"), "--out", str(tmp_path / "o")]) == 2
    assert "cameras.0.url: the name is not UTF-8; rename the file or folder" in capsys.readouterr().err


def test_a_value_that_is_no_utf8_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: it was said to be no YAML."""
    assert main(["run", "--source", str(tmp_path / "a.mp4"), "--set", "output.dir=o\udcfc"]) == 2
    assert "--set output.dir: the value is not UTF-8; write it otherwise" in capsys.readouterr().err


def test_a_locale_that_lacks_the_letters_of_a_name_is_told_as_such(tmp_path: Path) -> None:
    """Fault: a name that is UTF-8 was said to be none."""
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = [sys.executable, "-m", "relaytrack.pipeline.cli.main", "run", "--out", str(tmp_path / "o"), "--source"]
    done = subprocess.run([*words, "t\u00fcr.mp4"], env={**os.environ, **plain}, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"the name has letters that this locale lacks; set LC_ALL=C.UTF-8" in done.stderr


@pytest.mark.parametrize("source", ["", " ", "door="])
def test_an_empty_source_is_not_the_folder_one_works_in(
    source: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match="--source: no address"):
        cameras_of(source)


def test_a_video_or_a_folder_in_place_of_a_configuration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "cam1.mkv").write_bytes(b"\x1a\x45\xdf\xff")
    assert main(["run", str(folder / "cam1.mkv")]) == 2
    assert "cam1.mkv: not a configuration (UTF-8 text); a video is given with --source" in capsys.readouterr().err
    assert main(["run", str(folder)]) == 2
    assert "a folder, not a configuration; --source takes it as a camera" in capsys.readouterr().err
