"""Closed pipes, terminals that lack letters, and paths with brackets: nothing said ends the work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from relaytrack.reid.terminal import speaking

RELAYTRACK = [sys.executable, "-m", "relaytrack.pipeline.cli.main"]
ODD = "o[/red]é中"


@pytest.fixture
def result(tmp_path: Path) -> list[str]:
    """Arguments of `eval` that measure a file against itself; the file's name has letters beyond ASCII."""
    table = tmp_path / f"{ODD}.txt".replace("/", "_")
    table.write_text("".join(f"{k},1,10,10,20,40,1,1,1\n" for k in range(1, 20)))
    return ["eval", "--gt", f"x={table}", "--result", f"x={table}"]


def with_closed(stream: str, words: list[str], **environment: str) -> tuple[int, str]:
    """Run with a pipe on `stream` that nobody reads; returns the exit code and what the other stream shows."""
    reading, writing = os.pipe()
    os.close(reading)
    other = "stderr" if stream == "stdout" else "stdout"
    done = subprocess.run(
        [*RELAYTRACK, *words],
        env={**os.environ, **environment},
        text=True,
        timeout=120,
        check=False,
        **{stream: writing, other: subprocess.PIPE},  # type: ignore[call-overload]
    )
    os.close(writing)
    return done.returncode, getattr(done, other)


def test_a_closed_stdout_is_no_error(result: list[str]) -> None:
    assert with_closed("stdout", result) == (0, "")
    assert with_closed("stdout", ["--help"]) == (0, "")


def test_a_closed_stderr_hides_no_exit_code(result: list[str]) -> None:
    code, shown = with_closed("stderr", ["eval", "--gt", "gone", "--result", "gone"])
    assert (code, shown) == (2, "")


def test_closed_pipes_do_not_end_a_recording(tmp_path: Path, samples: Path) -> None:
    out = tmp_path / ODD  # also: brackets are no markup
    words = ["run", "--source", str(samples / "west.mp4"), "--out", str(out), "--max-seconds", "0.4", "--no-video"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*RELAYTRACK, *words], stdout=writing, stderr=writing, timeout=200, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["final"] is True


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("asked", ["eval", "--help", "--version"])
def test_a_full_disk_behind_stdout_is_said(result: list[str], asked: str) -> None:
    words = result if asked == "eval" else [asked]
    with open("/dev/full", "w") as full:
        done = subprocess.run([*RELAYTRACK, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("relaytrack: error: the output cannot be written")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_letters_that_the_terminal_lacks_are_written_otherwise(encoding: str, result: list[str]) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    result = [word.replace("x=", "") for word in result]
    for words in (result, [*result[:-1], "gone中é"], ["track", "--video", "中é", "--out", "x"]):
        done = subprocess.run([*RELAYTRACK, *words], env=environment, capture_output=True, timeout=120, check=False)
        shown = (done.stdout + done.stderr).decode(encoding)
        assert "Traceback" not in shown
        assert r"\u4e2d" in shown


def test_a_closed_descriptor_is_no_error(result: list[str]) -> None:
    command = " ".join(f"'{word}'" for word in [*RELAYTRACK, *result])
    done = subprocess.run(["sh", "-c", f"{command} >&- 2>&- <&-"], timeout=120, check=False)
    assert done.returncode == 0


def test_other_troubles_are_not_blamed_on_the_output() -> None:
    def work() -> int:
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        speaking(work)


def test_a_current_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """The networks' libraries abort the process there with words about oneMKL."""
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        f"import os, sys; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n"
        "from relaytrack.pipeline.cli.main import main; sys.exit(main(['run', '--source', '/x.mp4']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "relaytrack: error: the current folder has been deleted: change to another one\n"


def test_a_library_that_cannot_be_loaded_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With too little memory for torch (`ulimit -v`); a mistake of ours stays a traceback."""
    from relaytrack.pipeline.cli import main as command

    def broken(path: str | None) -> None:
        raise ImportError("libtorch_cpu.so: failed to map segment from shared object", path=path)

    assert command._guarded(lambda: broken("/x/torch/_C.cpython-311-x86_64-linux-gnu.so") or 0) == 2  # type: ignore[func-returns-value]
    assert capsys.readouterr().err.startswith("relaytrack: error: a library cannot be loaded: libtorch_cpu.so")
    with pytest.raises(ImportError):
        command._guarded(lambda: broken(None) or 0)  # type: ignore[func-returns-value]
