"""Each part of a run is made from settings in one place: `pipeline/build.py`, or the factory of its own folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILDERS = {
    "pipeline/build.py": (
        "Perception", "Embedder", "Cropper", "EmbeddingSchedule", "Effort", "DeepSort", "CameraSession", "EarlierBoxes",
        "EventWatch", "Pictures", "HiddenRecord",
    ),
    "pipeline/identity/making.py": ("IdentityAssociator", "LocalIdentityService"),
    "pipeline/sinks/__init__.py": ("MotSink", "EventsSink", "IdentitiesSink", "VideoSink", "MosaicSink", "DiskLimit"),
    "pipeline/sources/__init__.py": ("LiveSource", "RecordedSource", "FrameSynchronizer"),
    "pipeline/perception/detectors/nanodet.py": ("NanoDet",),
    "pipeline/perception/detectors/__init__.py": ("TorchvisionDetector", "Yolo"),
}  # fmt: skip
NOT_FROM_SETTINGS = {
    ("pipeline/cli/search.py", "Embedder"),  # from the command's options
    ("pipeline/replay/track.py", "EarlierBoxes"),  # has no settings; a replay is no run
    ("pipeline/perception/stage.py", "EmbeddingSchedule"),  # the default of a stage that a program makes itself
}


def called(path: Path) -> Iterator[str]:
    """The names of everything that a module calls, without what stands before the last dot."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


@cache
def calls() -> dict[str, frozenset[str]]:
    """What each module of the pipeline calls, without benchmarks, which measure parts by themselves."""
    paths = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "pipeline").rglob("*.py")}
    names = (name for name in paths if "/benchmarks/" not in name and "/cli/bench_" not in name)
    return {name: frozenset(called(paths[name])) for name in names}


@pytest.mark.parametrize(("builder", "part"), [(name, part) for name, parts in BUILDERS.items() for part in parts])
def test_a_part_is_made_in_one_place(builder: str, part: str) -> None:
    makers = {name for name, names in calls().items() if part in names and (name, part) not in NOT_FROM_SETTINGS}
    assert makers == {builder}
