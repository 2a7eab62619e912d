"""Who imports whom: layers, no circles, and the names under which the packages are installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import relaytrack

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("pipeline", "reid", "trackers")
Graph = Mapping[str, frozenset[str]]


@cache
def modules() -> Mapping[str, Path]:
    """The installed name of every module, and its file."""
    found = {"relaytrack": ROOT / "pipeline" / "public" / "__init__.py"}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            if "public" not in path.parts:
                parts = path.relative_to(ROOT).with_suffix("").parts
                found[".".join(("relaytrack", *(part for part in parts if part != "__init__")))] = path
    return found


def imported(path: Path, *, types: bool = True) -> Iterator[str]:
    """Every module that a file imports: at its top, within functions and, with `types`, for type checkers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unread = set() if types else {id(one) for node in ast.walk(tree) if _for_types(node) for one in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules() else str(node.module)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def graph() -> Graph:
    """What each module imports of ours, with the packages that Python loads on the way to it."""
    edges = {}
    for name, path in modules().items():
        if name == "relaytrack":  # short forms, loaded one by one when used
            continue
        targets = {target for target in imported(path) if target in modules()}
        for target in list(targets):
            parts = target.split(".")
            targets |= {".".join(parts[:end]) for end in range(1, len(parts))}
        own = {name} | {name[: at.start] for at in _dots(name)}
        edges[name] = frozenset(targets - own - {"relaytrack"})
    return edges


def _dots(name: str) -> Iterator[slice]:
    return (slice(at, at + 1) for at, letter in enumerate(name) if letter == ".")


def circle(edges: Graph) -> list[str]:
    """One circle of modules that import each other, [] where there is none."""
    done: set[str] = set()
    path: list[str] = []

    def visit(name: str) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        path.append(name)
        for target in sorted(edges.get(name, ())):
            if found := visit(target):
                return found
        path.pop()
        done.add(name)
        return []

    return next((found for name in sorted(edges) if (found := visit(name))), [])


def test_circles_are_found() -> None:
    assert circle({"a": frozenset("b"), "b": frozenset("cd"), "c": frozenset("d"), "d": frozenset()}) == []
    assert circle({"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("b")}) == ["b", "c", "b"]


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(graph()) == []


@pytest.mark.parametrize("package", FOLDERS)
def test_no_rooms_import_each_other_in_a_circle(package: str) -> None:
    """A room is a folder of a package, or a module beside the folders. Types alone may be taken from anywhere."""
    rooms: dict[str, set[str]] = {}
    for name, path in modules().items():
        _, own, *below = name.split(".") if name != "relaytrack" else ("", "")
        if own == package and below:
            targets = (target.split(".") for target in imported(path, types=False) if target in modules())
            found = {parts[2] for parts in targets if len(parts) > 2 and parts[1] == package}
            rooms.setdefault(below[0], set()).update(found - {below[0]})
    assert circle({name: frozenset(found) for name, found in rooms.items()}) == []


@pytest.mark.parametrize("package", ["reid", "trackers"])
def test_reid_and_trackers_know_neither_the_pipeline_nor_each_other(package: str) -> None:
    prefix = f"relaytrack.{package}"
    strangers = {
        (name, target)
        for name, targets in graph().items()
        for target in targets
        if name.startswith(prefix) and not target.startswith(prefix)
    }
    assert strangers == set()


def test_nothing_is_imported_by_the_name_of_its_folder() -> None:
    """`import trackers` would be another package's on a machine that has it."""
    files = [*modules().values(), *(ROOT / "tests").rglob("*.py")]
    wrong = [(str(path), name) for path in files for name in imported(path) if name.partition(".")[0] in FOLDERS]
    assert wrong == []


def test_every_module_is_found_under_its_installed_name() -> None:
    code = (
        "import sys\n"
        "from importlib.util import find_spec\n"
        "print([name for name in sys.argv[1:] if find_spec(name) is None])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *modules()], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_short_forms_are_all_there_and_import_lazily() -> None:
    code = (
        "import sys\n"
        "import relaytrack\n"
        "heavy = {'torch', 'cv2', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert all(name in dir(relaytrack) for name in relaytrack.__all__)\n"
        "from relaytrack import *\n"
        "print(Pipeline.__name__, DeepSort.__name__, Embedder.__name__, __version__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT.anchor)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:3] == ["Pipeline", "DeepSort", "Embedder"]
    with pytest.raises(AttributeError, match="Pipelin"):
        _ = relaytrack.Pipelin


@pytest.mark.parametrize("package", ["relaytrack", *(f"relaytrack.{folder}" for folder in FOLDERS)])
def test_exported_members_exist_are_sorted_and_say_where_they_live(package: str) -> None:
    module = __import__(package, fromlist=["__all__"])
    assert list(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        value = getattr(module, name)
        assert name == "__version__" or value.__module__.startswith("relaytrack."), name
        assert name == "__version__" or value.__doc__, f"{name} has no docstring"


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_error_is_exported(folder: str) -> None:
    package = __import__(f"relaytrack.{folder}", fromlist=["__all__"])
    errors = __import__(f"relaytrack.{folder}.errors", fromlist=["x"])
    defined = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert defined
    assert defined <= set(package.__all__)


def test_no_two_classes_have_one_name() -> None:
    """One class, one name, also where it is private."""
    homes: dict[str, list[str]] = {}
    for name, path in modules().items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(name)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "from relaytrack.pipeline.cli.main import build_parser\n"
        "build_parser().format_help()\n"
        "print(sorted({'numpy', 'pydantic', 'torch', 'cv2', 'av', 'fastapi'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.anchor)
    assert done.stdout.strip() == "[]"


def test_the_identity_service_of_a_cluster_loads_no_network() -> None:
    """It starts again within moments where it was lost, and takes 0.1 instead of 0.6 GB."""
    code = (
        "import sys; import relaytrack.pipeline.cluster.identity_actor; "
        "print([name for name in ('torch', 'onnxruntime', 'torchvision') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.anchor)
    assert done.stdout.strip() == "[]"
