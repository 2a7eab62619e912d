"""What is installed: every file, and nothing that collides with other packages of the same names."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("pipeline", "reid", "trackers")
DATA = {".py", ".typed", ".onnx", ".safetensors", ".yaml", ".css", ".html", ".js"}


def run(*command: str | Path) -> str:
    """Run a command far from the repository, so that its folders are not on the path by chance."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=ROOT.anchor)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources."""
    pytest.importorskip("setuptools")
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", source, "-w", folder)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_module_and_every_file_that_they_read(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    wanted = {
        f"relaytrack/{path.relative_to(ROOT).as_posix()}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in DATA and "public" not in path.parts
    } | {"relaytrack/__init__.py", "relaytrack/py.typed", "relaytrack/reid/weights/LICENSE-WEIGHTS.txt"}
    assert wanted - inside == set()
    assert {name.split("/")[0].split("-")[0] for name in inside} == {"relaytrack"}
    assert not [name for name in inside if "public" in name]


def test_pyproject_names_every_package() -> None:
    """An editable install finds a package that is not named there; a wheel lacks it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found = {
        ".".join(("relaytrack", *path.parent.relative_to(ROOT).parts))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("__init__.py")
        if "public" not in path.parts
    }
    assert settings["packages"] == sorted({"relaytrack", *found})


def bare_environment(folder: Path) -> Path:
    """A virtual environment that sees the libraries of this one, but not RelayTrack; its interpreter."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    site = next(folder.glob("lib/python*/site-packages"))
    libraries = {*sys.path, sysconfig.get_path("purelib")}
    (site / "libraries.pth").write_text("\n".join(sorted(path for path in libraries if path.endswith("-packages"))))
    return folder / "bin" / "python"


def install(python: Path, *names: str | Path) -> None:
    """Install exactly these, without what they need."""
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "-q", "--no-deps", "--ignore-installed", "--pre", *names)


@pytest.mark.needs("index")
@pytest.mark.parametrize("ours_first", [True, False])
def test_other_packages_of_the_same_names_live_beside_ours(wheel: Path, tmp_path: Path, ours_first: bool) -> None:
    python = bare_environment(tmp_path / "venv")
    order: list[tuple[str | Path, ...]] = [(wheel,), ("trackers", "reid")]
    for names in order if ours_first else reversed(order):
        install(python, *names)
    code = (
        "import relaytrack\n"
        "from importlib.metadata import files\n"
        "from importlib.util import find_spec\n"
        "for name in ('relaytrack', 'trackers', 'reid'):\n"
        "    own = [file for file in files(name) if file.hash]\n"
        "    for file in own:\n"
        "        import base64, hashlib\n"
        "        digest = hashlib.sha256(file.locate().read_bytes()).digest()\n"
        "        assert base64.urlsafe_b64encode(digest).rstrip(b'=').decode() == file.hash.value, file\n"
        "    print(name, len(own))\n"
        "print(relaytrack.DeepSort().params is not None, find_spec('trackers').origin, find_spec('reid').origin)\n"
    )
    said = run(python, "-I", "-c", code).splitlines()
    assert [line.split()[0] for line in said[:3]] == ["relaytrack", "trackers", "reid"]
    assert all(int(line.split()[1]) > 0 for line in said[:3])
    assert said[3].startswith("True")
    assert "relaytrack" not in said[3].replace(str(tmp_path), "")
    assert run(python.with_name("relaytrack"), "--version").startswith("relaytrack ")


def imports_at_the_top(path: Path) -> set[str]:
    """Packages that a module loads when it is imported itself; not those for type checkers, nor those in a `try`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"relaytrack"}


def distributions(lines: list[str]) -> set[str]:
    """Names of required distributions, and of those that they are always installed with."""
    names = {re.split(r"[<>=!\[]", line)[0].lower() for line in lines}
    return names | ({"starlette", "anyio"} if "fastapi" in names else set())


def test_what_is_imported_at_the_top_of_a_module_is_installed_with_ours() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = distributions(project["dependencies"])
    web = required | distributions(project["optional-dependencies"]["web"])
    optional = {"filterpy"}  # the reference filter of the tests
    homes = packages_distributions()
    missing = {}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for name in imports_at_the_top(path) - optional:
                there = web if "server" in path.relative_to(ROOT).parts else required
                if not there & {home.lower().replace("_", "-") for home in homes.get(name, [name])}:
                    missing[str(path.relative_to(ROOT))] = name
    assert missing == {}


def test_folders_of_the_same_names_beside_a_script_do_no_harm(tmp_path: Path) -> None:
    """Fault: a folder `reid/` beside a user's script broke `from pipeline import Pipeline`."""
    for name in FOLDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not ours')\n")
    (tmp_path / "script.py").write_text(
        "from relaytrack import DeepSort, Embedder, Pipeline, load_config\n"
        "import relaytrack.pipeline.cli.main, relaytrack.reid.cli, relaytrack.trackers.identities\n"
        "DeepSort()\n"
        "config = load_config(data={'output': {'dir': None}})\n"
        "pipeline = Pipeline(config, until='stopped')\n"
        "print(type(pipeline).__module__)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("relaytrack.pipeline.")
