"""Messages about a configuration are in plain words."""

from __future__ import annotations

import pytest

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("cameras", 3, "cameras: must be a list"),
        ("cameras.0.url", "", "cameras.0.url: must not be empty"),
        ("cameras.0.roi", [10, 10, 2], "cameras.0.roi.3: is missing"),
        ("cameras.0.zones", [[0, 0], [1, 1], [2, 0]], "cameras.0.zones: must be a mapping"),
        ("cameras.0.zones", {"a": [0, 1, 2]}, "cameras.0.zones.a.0: must be a list (got 0)"),
        ("cameras.0.zones", {"a": [[0, 0, 1]]}, "cameras.0.zones.a.0: must have at most 2 entries, not 3"),
        ("cameras.0.zones", {True: [[0, 0]]}, "cameras.0.zones.1: must be text (put it in quotes) (got True)"),
        ("cameras.0.zones", {"a": [[0, 0], [float("nan"), 1]]}, "cameras.0.zones.a.1.0: must be a finite number"),
        ("run.device", "gpu", "run.device: must be auto, cpu, cuda or cuda:NUMBER (got 'gpu')"),
        ("run.fps", 0, "run.fps: must be greater than 0 (got 0)"),
        ("run.fps", "fast", "run.fps: must be a number (got 'fast')"),
        ("tracker.n_init", "many", "tracker.n_init: must be a whole number (got 'many')"),
        ("output.overwrite", "perhaps", "output.overwrite: must be true or false (got 'perhaps')"),
        ("input.transport", "sctp", "input.transport: must be 'tcp' or 'udp' (got 'sctp')"),
        ("output", 5, "output: must be a mapping"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(key: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as found:
        load_config(data={"cameras": ["a.mp4"]}, overrides={key: value})
    assert str(found.value).startswith(f"configuration: {said}")


def test_zones_and_lines_may_be_called_by_numbers() -> None:
    camera = {"url": "a.mp4", "zones": {1: [[0, 0], [9, 0], [0, 9]]}, "lines": {2: [[0, 0], [9, 9]]}}
    config = load_config(data={"cameras": [camera]})
    assert list(config.cameras[0].zones) == ["1"]
    assert list(config.cameras[0].lines) == ["2"]
