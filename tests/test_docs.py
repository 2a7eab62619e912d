"""What the pages say exists: links lead somewhere, and names of modules and members are present ones."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_WORD = re.compile(r"(?<![\w$%@\\.])[A-Za-z_]\w*")
_NAME = re.compile(r"`(relaytrack\.(?:pipeline|reid|trackers)(?:\.\w+)*)`")


def tracked(*patterns: str) -> list[Path]:
    """The files of the repository that match, in a checkout; all that lie there otherwise."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    found = [ROOT / line for line in listed.stdout.splitlines()]
    return found or [path for pattern in patterns for path in ROOT.rglob(pattern) if ".venv" not in path.parts]


@pytest.mark.parametrize("page", tracked("*.md"), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    targets = [link.partition("#")[0] for link in _LINK.findall(page.read_text(encoding="utf-8"))]
    local = [target for target in targets if target and "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or leads from one to a member."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part) and part not in getattr(found, "__annotations__", {}):
                return False
            found = getattr(found, part, None)
        return True
    return False


def test_the_check_of_names_can_fail() -> None:
    assert exists("relaytrack.trackers.DeepSort.update")
    assert not exists("relaytrack.trackers.DeepSort.forecast")
    assert not exists("relaytrack.pipeline.frames")


def test_names_in_pages_and_docstrings_exist() -> None:
    named = {
        (name, path.relative_to(ROOT))
        for path in tracked(
            "*.md", "pipeline/**/*.py", "pipeline/*.py", "reid/*.py", "reid/**/*.py", "trackers/**/*.py"
        )
        if path.name != "CHANGELOG.md" and path.exists()
        for name in _NAME.findall(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 40
    missing = {(name, str(path)) for name, path in named if not exists(name)}
    assert sorted(missing) == []


FOREIGN = {
    "MALLOC_ARENA_MAX", "RAY_USE_TLS", "chrt", "nice", "nohup", "vlc", "taskset", "smaps", "tracemalloc", "nnodes",
    "moof", "Range", "rga_att1", "yield", "human", "vtest", "images_detected", "images_labeled",
    "a_camera", "gt_cam1", "gt_cam2", "id_camera_anything", "x_int8", "mm", "ss", "sp", "ace", "_2",
}  # fmt: skip
"""Words of other programs, of Python and of other people's files, and of examples."""
PROGRAMS = ("pytest", "openssl", "ffmpeg", "ffplay", "curl", "docker", "git", "ip", "ssh", "systemctl")
"""Commands that begin with one of these are other programs' as a whole."""


def docstrings(tree: ast.Module) -> list[ast.Constant]:
    """The docstrings of a module, of its classes and functions, and those of its values."""
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    alone = [line.value for body in bodies for line in body if isinstance(line, ast.Expr)]
    return [value for value in alone if isinstance(value, ast.Constant) and isinstance(value.value, str)]


def words_of(tree: ast.Module) -> set[str]:
    """Every name and every word of a text that a module uses; what its docstrings say does not count."""
    told = {id(value) for value in docstrings(tree)}
    found: set[str] = set()
    for node in ast.walk(tree):
        for part in ("id", "attr", "arg", "name", "asname"):
            if isinstance(text := getattr(node, part, None), str):
                found |= set(text.split("."))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            found |= set(re.findall(r"[A-Za-z_]\w*", node.value))
    return found


def missing_words(text: str, known: set[str]) -> set[str]:
    """The words between marks of code that nothing is called; NAME and other capitals stand for something."""
    foreign = tuple(f"{one} " for one in PROGRAMS)
    spans = [span for span in _SPAN.findall(text) if not span.strip("`").startswith(foreign)]
    words = {word for span in spans for word in _WORD.findall(span)}
    return {word for word in words - known if not re.search(r"^[A-Z][A-Z0-9]*$|NAME|[0-9a-f]{40}", word)}


def test_words_between_marks_of_code_are_used_somewhere() -> None:
    """A class, an option, a setting or a file that a sentence names, and that is gone, is in no code any more."""
    code = tracked(
        "pipeline/*.py", "pipeline/**/*.py", "reid/*.py", "reid/**/*.py", "trackers/*.py", "trackers/**/*.py"
    )
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in code}
    known = FOREIGN | set(dir(builtins))
    for path, tree in trees.items():
        if path.name != "renamed.py":  # the old names
            known |= words_of(tree)
    for path in tracked("*"):
        known |= {path.stem, path.name, path.parent.name}
        if path.suffix in (".yaml", ".toml", ".html", ".js", ".css") or path.name in ("Makefile", "conftest.py"):
            known |= set(re.findall(r"[A-Za-z_]\w*", path.read_text(encoding="utf-8")))
    pages = {path: path.read_text(encoding="utf-8") for path in tracked("*.md") if path.name != "CHANGELOG.md"}
    told = pages | {path: "\n".join(value.value for value in docstrings(tree)) for path, tree in trees.items()}
    assert missing_words("`Mailbox.put` and `track_high_thresh`, `FILE`, `curl -N gone`", known) == {"Mailbox"}
    classes = re.findall(r"\b[A-Z][a-z]+[A-Z]\w+", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    assert sorted(set(classes) - known) == [], "in the picture or the text of ARCHITECTURE.md"
    missing = {
        (str(path.relative_to(ROOT)), word) for path, text in told.items() for word in missing_words(text, known)
    }
    assert sorted(missing) == []
