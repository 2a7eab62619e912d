"""Outputs that cannot be written: one line before the work begins, and what was there stays as it is."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.replay.detection_cache import DetectionCache, write_cache
from relaytrack.pipeline.results.single_file import check_folder, write_single_file
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.evaluation import rows_from_arrays, write_mot

FOLDERS = {
    "run": "run --source CLIP --out OUT",
    "serve": "serve --dir OUT",
    "eval": "eval --gt a=TRACKS --result a=TRACKS --plots OUT",
    "bench tracker": "bench tracker --caches CACHES --gt CACHES --plots OUT",
    "bench soak": "bench soak --source CLIP --out OUT",
    "bench multiviewx": "bench multiviewx --root CACHES --out OUT",
    "bench chaos": "bench chaos --disks 1 --out OUT",
}
FILES = {
    "search": "search --run RUN --image PICTURE --sheet OUT.png",
    "calibrate picture": "calibrate --image PICTURE --point 1,1,0,0 --picture OUT.png",
    "calibrate": "calibrate --image PICTURE --point 1,1,0,0 --out OUT.yaml",
    "cache": "cache --video CLIP --out OUT.npz",
    "track": "track --video CLIP --out OUT.txt",
}


@pytest.fixture
def words(tmp_path: Path) -> dict[str, str]:
    """What stands in the commands: nothing of it is looked at before the output."""
    (tmp_path / "run").mkdir()
    names = ("clip.mp4", "tracks.txt", "picture.png")
    for name in names:
        (tmp_path / name).write_bytes(b"")
    clip, tracks, picture = (str(tmp_path / name) for name in names)
    run = str(tmp_path / "run")
    return {"CLIP": clip, "TRACKS": tracks, "PICTURE": picture, "CACHES": run, "RUN": run}


def refused(command: str, words: dict[str, str], out: str, capsys: pytest.CaptureFixture[str]) -> str:
    for word, value in {**words, "OUT": out}.items():
        command = command.replace(word, value)
    assert main(command.split()) == 2
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if line.startswith("relaytrack: error: ")]
    assert len(lines) == 1, shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    return lines[0]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_in_which_nothing_can_be_made(
    name: str, words: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The inputs are empty files: a command that looked at its output only later would name them."""
    (tmp_path / "file").write_bytes(b"mine")
    for out in (tmp_path / "file" / "below" / "it", Path("/proc/nowhere/x")):
        line = refused(FOLDERS[name], words, str(out), capsys)
        assert str(out) in line
        assert "File exists" not in line, "that says nothing of the file above"
    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_made(
    name: str, words: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / f"folder{Path(FILES[name].split()[-1]).suffix}").mkdir()
    for out in (tmp_path / "file" / "x", tmp_path / "folder", Path("/proc/nowhere/x")):
        line = refused(FILES[name], words, str(out), capsys)
        assert str(out) in line or str(out.parent) in line
        assert ".part" not in line


@pytest.mark.parametrize("command", sorted({*FOLDERS, *FILES} - {"serve", "bench chaos"}))
def test_a_full_disk_is_found_before_the_work(
    command: str,
    words: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fault: a full disk takes new files as long as they are empty. `serve` starts, and `bench chaos` fills disks."""

    def full(*_: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("relaytrack.reid.outputs.os.posix_fallocate", full)
    assert "Disk quota exceeded" in refused({**FOLDERS, **FILES}[command], words, str(tmp_path / "new"), capsys)


@pytest.mark.parametrize("below", ["", "x", "x/y"])
@pytest.mark.parametrize("target", ["gone", "link"])
def test_a_link_to_nowhere_is_found_before_the_work(below: str, target: str, tmp_path: Path) -> None:
    """Fault: "cannot create the output folder: File exists", after the networks had been loaded."""
    (tmp_path / "link").symlink_to(tmp_path / target)
    with pytest.raises(OutputError, match="is a link to nowhere"):
        check_folder(tmp_path / "link" / below)


def test_looking_at_a_folder_changes_nothing(tmp_path: Path) -> None:
    check_folder(tmp_path / "new" / "below")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`track` and `cache` emptied the file first.

    Python 3.12.0 and 3.12.1 die in the next collection of garbage if an error holds a view of an `io.BytesIO`
    (`getbuffer`, gh-111049).
    """

    def full(self: Path, *_: object, **__: object) -> int:
        with self.open("wb") as file:
            file.write(b"a part")
        raise OSError(28, "No space left on device")

    cache = DetectionCache(*(np.zeros((0, 4), np.float32) for _ in range(3)), None, None, None)  # type: ignore[arg-type]
    rows = rows_from_arrays([1], [1], np.array([[0, 0, 5, 5]], np.float32))
    path = tmp_path / "old"
    path.write_bytes(b"old")
    monkeypatch.setattr(Path, "write_text", full)
    monkeypatch.setattr(Path, "write_bytes", full)
    for write in (
        lambda: write_cache(path, cache),
        lambda: write_mot(path, rows),
        lambda: write_single_file(path, b"new"),
    ):
        with pytest.raises((OutputError, TrackerInputError), match="No space left on device"):
            write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("module", ["pipeline.cli.main", "reid.cli"])
def test_a_stdout_that_is_full_is_told_once(module: str) -> None:
    """Fault: two lines, the first of which named nothing."""
    program = (
        f"import sys, relaytrack.{module} as cli\n"
        "import relaytrack.pipeline.cli.eval, relaytrack.reid.commands.weights\n"
        "def run(args): print('scores', flush=True)\n"
        "relaytrack.pipeline.cli.eval.run = relaytrack.reid.commands.weights.run = run\n"
        f"sys.exit(cli.main({['weights'] if 'reid' in module else ['eval', '--gt', 'a=b', '--result', 'a=b']}))\n"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "relaytrack: error: the output cannot be written (No space left on device)\n"


def test_results_go_through_a_pipe(tmp_path: Path) -> None:
    """A device or a pipe cannot be replaced by a file."""
    code = (
        "from pathlib import Path; from relaytrack.pipeline.results.single_file import write_single_file as write;"
        "from relaytrack.trackers.textfile import write_text;"
        "write(Path('/dev/stdout'), b'one\\n'); write_text(Path('/dev/stdout'), 'two\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"one\ntwo\n"
