"""What `relaytrack bench` compares a run with."""

from __future__ import annotations

from pathlib import Path

from relaytrack.pipeline.benchmarks.stages import _record
from relaytrack.pipeline.config.loading import load_config


def test_the_detector_and_the_embedder_are_both_played_back(samples: Path) -> None:
    camera = {"url": str(samples / "west.mp4"), "name": "west"}
    config = load_config(data={"cameras": [camera], "run": {"max_seconds": 0.6}})
    recorder, frames = _record(config)
    sizes = {tuple(arguments[0].shape[2:]) for _, arguments in recorder.calls}
    assert (192, 96) in sizes  # people
    assert len(sizes) > 1  # and whole pictures
    assert len(recorder.calls) >= 2 * frames["west"] - 2
    assert recorder.play() > 0
