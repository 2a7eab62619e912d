"""run.json is read and written in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.results.run_file import RUN_FILE, known_of_run, read_run_file, write_run_file

PIPELINE = Path(__file__).resolve().parents[3] / "pipeline"


def test_nobody_else_names_the_file() -> None:
    """Fault: nine modules read it by hand, each with its own idea of what a damaged one is."""
    named = [
        path.relative_to(PIPELINE).as_posix()
        for path in PIPELINE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value == RUN_FILE
    ]
    assert named == ["results/run_file.py"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_run_file(tmp_path, {"final": True, "cameras": {"gäte": {"size": [4, 3]}}})
    assert read_run_file(tmp_path) == known_of_run(tmp_path) == {"final": True, "cameras": {"gäte": {"size": [4, 3]}}}


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"{", "not JSON"), (b"[1]", "not a file of this"), (b"\xff\xfe{", "not JSON"), (b"[" * 100_000, "not JSON")],
)
def test_a_damaged_one_is_named_and_counts_as_empty(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / RUN_FILE).write_bytes(content)
    with pytest.raises(InputError, match=f"run.json: {told}"):
        read_run_file(tmp_path)
    assert known_of_run(tmp_path) == {}


def test_a_missing_one_counts_as_empty(tmp_path: Path) -> None:
    assert known_of_run(tmp_path) == {}
    with pytest.raises(FileNotFoundError):
        read_run_file(tmp_path)
