"""Parts that other packages bring: a package installed from tests/plugin, and what can be wrong with one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from relaytrack.pipeline import plugins
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.trackers import DeepSortParams

PLUGIN = Path(__file__).parents[1] / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, folder / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(folder / "site"), str(folder / "source")], check=True, timeout=120)
    return folder / "site"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something red that walks."""
    path = tmp_path_factory.mktemp("clip") / "red.mp4"
    encoder = Encoder(path, crf=5)
    for index in range(12):
        image = np.full((96, 160, 3), 110, np.uint8)
        image[20:80, 10 + 5 * index : 40 + 5 * index] = (240, 20, 20)
        encoder.write(image, index / 10)
    encoder.close()
    return path


@pytest.fixture
def relaytrack(installed: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line with the package installed."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        command = [sys.executable, "-m", "relaytrack.pipeline.cli.main", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)

    return run


def test_an_installed_package_brings_its_parts(
    relaytrack: Callable[..., subprocess.CompletedProcess[str]], clip: Path, tmp_path: Path
) -> None:
    parts = ["detector.backend=red", "detector.options.least=150", "tracker.name=nearest", "embedder.name=colour"]
    words = [word for part in [*parts, "sinks=[{name: lines}]", "run.device=cpu"] for word in ("--set", part)]
    done = relaytrack("run", "--source", str(clip), "--out", str(tmp_path / "out"), "--no-video", *words)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out/tracks/red.txt").read_text().splitlines()
    assert len(lines) == 12
    box = [float(value) for value in lines[0].split(",")[2:6]]
    np.testing.assert_allclose(box, [10, 20, 30, 60], atol=2)
    assert (tmp_path / "out/lines.txt").read_text().startswith("0.00 [[1]]\n")


def test_an_installed_tracker_gives_in_track_what_it_gives_in_a_run(
    relaytrack: Callable[..., subprocess.CompletedProcess[str]], clip: Path, tmp_path: Path
) -> None:
    parts = ["detector.backend=red", "tracker.name=nearest", "embedder.name=colour", "run.device=cpu"]
    words = [word for part in parts for word in ("--set", part)]
    done = relaytrack("run", "--source", str(clip), "--out", str(tmp_path / "out"), "--no-video", *words)
    assert done.returncode == 0, done.stderr
    result = tmp_path / "red.txt"
    done = relaytrack("track", "--video", str(clip), "--out", str(result), *words)
    assert done.returncode == 0, done.stderr
    assert result.read_bytes() == (tmp_path / "out/tracks/red.txt").read_bytes()
    done = relaytrack("track", "--video", str(clip), "--out", str(result), "--classic", *words)
    assert done.returncode == 2
    assert "--classic works with DeepSort only, and tracker.name is 'nearest'" in done.stderr


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("detector.backend=redd", "detector.backend: no detector is called 'redd'; did you mean 'red'?"),
        ("tracker.name=sort", "no tracker is called 'sort'; did you mean 'deepsort'?"),
        ("embedder.name=xyz", "no embedder is called 'xyz'; known are reid, colour"),
        ("sinks=[{name: line}]", "no sink is called 'line'; did you mean 'lines'?"),
    ],
)
def test_a_wrong_name_gets_one_line(
    relaytrack: Callable[..., subprocess.CompletedProcess[str]], clip: Path, tmp_path: Path, setting: str, words: str
) -> None:
    done = relaytrack("run", "--source", str(clip), "--out", str(tmp_path / "out"), "--set", setting)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("detector.options={least: 300}", "detector 'red': least: must be 255 or less"),
        ("detector.options={most: 3}", "detector 'red': unknown key 'most'"),
    ],
)
def test_wrong_options_get_one_line(
    relaytrack: Callable[..., subprocess.CompletedProcess[str]], clip: Path, tmp_path: Path, options: str, words: str
) -> None:
    words_given = ["--set", "detector.backend=red", "--set", options]
    done = relaytrack("run", "--source", str(clip), "--out", str(tmp_path / "out"), *words_given)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        value = "nowhere:DETECTOR"

        def load(self) -> object:
            raise ImportError("no module named nowhere")

    class Wrong(Point):
        def load(self) -> object:
            return object()

    monkeypatch.setattr(plugins, "_points", lambda kind: {"broken": Point(), "wrong": Wrong()})
    with pytest.raises(ConfigError, match="detector 'broken': its package is broken: ImportError"):
        plugins.create_detector("broken", {}, device="cpu")
    with pytest.raises(ConfigError, match="nowhere:DETECTOR is no relaytrack Plugin"):
        plugins.create_detector("wrong", {}, device="cpu")


class NoSettings(BaseModel):
    pass


def leaves(settings: BaseModel, **given: Any) -> object:
    sys.exit("no licence")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda settings, **given: None, r"NoneType has no (detect|update|write)\(\)|NoneType has no input_size"),
        (lambda settings, **given: int, "an object is wanted, not the class int itself"),
        (leaves, "cannot be made: SystemExit: no licence"),
    ],
)
@pytest.mark.parametrize("kind", ["detector", "embedder", "tracker", "sink"])
def test_a_package_that_makes_something_else_is_named(
    kind: str, make: Callable[..., object], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: nothing instead of a tracker was taken for `DeepSort`, and nothing instead of an embedder for none."""

    class Point:
        value = "odd:PART"

        def load(self) -> object:
            return plugins.Plugin(NoSettings, make)

    monkeypatch.setattr(plugins, "_points", lambda kind: {"odd": Point()})
    create: Any = getattr(plugins, f"create_{kind}")
    given = {"tracker": {"camera": CameraConfig(url="x")}, "sink": {"folder": None}}.get(kind, {"device": "cpu"})
    with pytest.raises(ConfigError, match=f"^{kind} 'odd': ({told})"):
        create("odd", {}, **given)


def test_settings_that_cannot_even_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        def load(self) -> object:
            return plugins.Plugin(BaseModel, lambda settings, **given: None)  # pydantic makes none of its base class

    monkeypatch.setattr(plugins, "_points", lambda kind: {"odd": Point()})
    with pytest.raises(ConfigError, match="detector 'odd': its settings cannot be read: PydanticUserError"):
        plugins.check("detectors", "detector", "odd", {})


def test_the_classic_tracker_by_name() -> None:
    classic = load_config(data={"tracker": {"name": "classic", "max_age": 2.0}}).tracker
    paper = DeepSortParams.classic()
    assert (classic.association, classic.max_age) == ("cascade", 2.0)
    assert classic.n_init == paper.n_init
    again = load_config(data={"tracker": {"name": "deepsort"}}).tracker
    assert again == load_config(data={}).tracker
