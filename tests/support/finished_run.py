"""A finished run over two small clips, and two people in plain shirts who can be told by them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.postprocess.finalize import finalize
from relaytrack.pipeline.records import Frame, Image
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.report import write_report
from relaytrack.pipeline.results.folder import prepare_output
from relaytrack.pipeline.runtime.run_info import footages
from relaytrack.pipeline.sinks import create_sinks
from support.steps import Feed, Shot

FRAMES = 30
SHIRTS = {1: (230, 40, 40), 2: (40, 200, 230)}  # person 1 and person 2; nothing else has these colours
PLACES = {1: 20, 2: 130}


def _image(index: int, people: tuple[int, ...]) -> Image:
    image = np.full((160, 220, 3), 110, np.uint8)
    for person in people:
        left = PLACES[person] + index
        image[40:140, left : left + 40] = SHIRTS[person]
    return image


def _in_view(camera: str, index: int) -> tuple[int, ...]:
    """Person 1 is in both cameras, one after the other; person 2 stays in the first."""
    if camera == "a":
        return (1, 2) if index < 12 else (2,)
    return (1,) if index >= 18 else ()


def _tracks(camera: str, index: int) -> Shot:
    people = _in_view(camera, index)
    lost = camera == "a" and index in (5, 6)  # the tracker misses person 1 in between
    seen = [person for person in people if not (lost and person == 1)]
    number = {("a", 1): (1, 1), ("a", 2): (2, 2), ("b", 1): (1, 3)}  # b's track is person 3 so far
    ids = [number[camera, person] for person in seen]
    boxes = [[PLACES[p] + index, 40, PLACES[p] + index + 40, 140] for p in seen]
    embeddings = np.array([[0.6, 0.8] if p == 1 else [0.8, -0.6] for p in seen], np.float32).reshape(-1, 2)
    return Shot.of(
        Frame(camera, index + 1, index / 10, _image(index, people)),
        np.array([track for track, _ in ids], np.int64),
        np.array([identity for _, identity in ids], np.int64),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(seen), 0.9, np.float32),
        embeddings=embeddings,
    )


def finished_run(tmp_path: Path) -> Path:
    """The folder of a finished run over two clips."""
    config = Config.model_validate(
        {
            "cameras": [{"url": str(tmp_path / f"{name}.mp4"), "name": name} for name in ("a", "b")],
            "output": {"dir": str(tmp_path / "run"), "crf": 8, "trail": 0},
        }
    )
    folder = prepare_output(config)
    sinks, feed = create_sinks(config, ["a", "b"], live=False), Feed(config)
    clips = {name: Encoder(tmp_path / f"{name}.mp4", crf=5) for name in ("a", "b")}
    for index in range(FRAMES):
        step = feed.step(*(_tracks(name, index) for name in ("a", "b")))
        for sink in sinks:
            sink.write(step)
        for name, clip in clips.items():
            clip.write(_image(index, _in_view(name, index)), index / 10)
    for closing in (*sinks, *clips.values(), feed):
        closing.close()
    finalize(config, {})
    cameras = {name: {"footage": found} for name, found in footages(config).items()}
    (folder / "run.json").write_text(json.dumps({"final": True, "config": config.public(), "cameras": cameras}))
    write_report(folder)
    return folder
