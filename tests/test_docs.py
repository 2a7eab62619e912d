"""What the pages say exists: links lead somewhere, and names of modules and members are present ones."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
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
