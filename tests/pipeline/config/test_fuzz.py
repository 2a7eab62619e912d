"""Damaged configurations end with one line or are sound; none ends with a traceback, a hang or a flood.

`RELAYTRACK_FUZZ=10000` tries more of them.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from relaytrack.pipeline import build
from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.identity.making import create_identity_service
from relaytrack.pipeline.preflight import preflight
from relaytrack.pipeline.render.pictures import Pictures
from tests.support.mutations import damaged

COUNT = int(os.environ.get("RELAYTRACK_FUZZ", "300"))
LONGEST = 5.0  # seconds of computing for one configuration; and of waiting on a busy machine:
LONGEST_WAIT = 60.0


@pytest.fixture(scope="module")
def base(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A configuration in which every key has a value."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "det.txt").write_text("1,-1,10,10,20,40,0.9\n")
    west = str(samples / "west.mp4")
    cameras = [
        {
            "name": "gate",
            "url": west,
            "roi": [0, 0, 300, 400],
            "zones": {"door": [[10, 10], [90, 10], [90, 90]]},
            "lines": {"way": [[10, 10], [90, 90]]},
            "ground": {"points": [[0, 0, 0, 0], [100, 0, 1, 0], [100, 100, 1, 1], [0, 100, 0, 1]]},
            "detections": str(folder / "det.txt"),
        },
        {"name": "yard", "url": west, "detections": str(folder / "det.txt")},
    ]
    overrides = {
        "output.dir": str(folder / "out"),
        "identities.travel_times": [["gate", "yard", 1, 20]],
        "detector.backend": "file",
    }
    return dict(load_config(data={"cameras": cameras}, overrides=overrides).model_dump(mode="json"))


def go_through(config: Config, *, cluster: object = None) -> int:
    """What a run does with its settings, without networks and without frames."""
    preflight(config)
    service = create_identity_service(config, None)
    for camera in config.cameras:
        build.create_session(config, camera, None)
    service.close()
    pictures: Pictures = build.create_pictures(config.model_copy(update={"output": Config().output}), live=True)
    pictures.close()
    return 0


def test_damaged_configurations(
    base: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("relaytrack.pipeline.cli.run.run_pipeline", go_through)
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "c.yaml"
    codes = {0: 0, 2: 0}
    for seed in range(COUNT):
        text = damaged(random.Random(seed), base)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        start, computed = time.monotonic(), time.process_time()
        try:
            code = main(["run", str(path)])
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}\n{text[:3000]}") from error
        codes[code] += 1
        errors = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
        assert time.process_time() - computed < LONGEST, f"seed {seed} takes too long"
        assert time.monotonic() - start < LONGEST_WAIT, f"seed {seed} takes too long"
        assert len(errors) == (code == 2), (seed, errors)
        assert all(len(line) < 1000 for line in errors), (seed, errors)
    assert min(codes.values()) > COUNT // 20, codes  # the damage is neither harmless nor total


def test_the_base_is_sound(base: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(base))
    assert go_through(load_config(tmp_path / "c.yaml")) == 0
