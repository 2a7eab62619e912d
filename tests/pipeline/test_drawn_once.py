"""Drawn pictures are made once and shared by the cameras' videos, the mosaic and those who look at the live page."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.build import create_pictures
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.records import FrameInfo, FrameTracks, Image, Step
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.render.painter import Painter
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.server.live.hub import LiveHub
from relaytrack.pipeline.sinks import create_video_sinks

STEPS, WIDTH, HEIGHT = 5, 160, 120


class Sizes:
    """Counts what is drawn, by camera, moment and width of the picture."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.drawn: Counter[tuple[str, float, int]] = Counter()
        draw = Painter.draw

        def counted(painter: Painter, image: Image, tracks: FrameTracks, *more: float) -> None:
            self.drawn[painter.name, tracks.frame.time, image.shape[1]] += 1
            draw(painter, image, tracks, *more)

        monkeypatch.setattr(Painter, "draw", counted)


def _tracks(camera: str, index: int) -> FrameTracks:
    frame = FrameInfo(camera, index, index / 5, size=(WIDTH, HEIGHT), epoch=1e9 + index / 5)
    box = np.array([[40, 20, 70, 100]], np.float32)
    return FrameTracks(frame, np.array([1]), np.array([7]), box, np.array([0.9], np.float32))


def _show(folder: Path, mosaic_width: int, *, looking: bool) -> int:
    """Hand steps of two cameras to their videos, the mosaic and the live page; returns the pictures that it encoded."""
    output = {"dir": str(folder), "mosaic_width": mosaic_width}
    config = Config.model_validate({"cameras": ["a.mp4", "b.mp4"], "output": output})
    host, hub = SinkHost(on_error="fail"), LiveHub()
    host.prepare = create_pictures(config, live=True).add
    encoder = partial(Encoder, crf=30, preset="ultrafast")
    for sink in create_video_sinks(config.output, ["a", "b"], encoder, colors=IdentityColors(), places=None):
        host.add(sink)
    host.add(hub)

    async def watched() -> None:
        with hub.watching("a", "jpeg"), hub.watching("a", "h264"), hub.watching("b", "jpeg"):
            _feed(host)

    if looking:
        asyncio.run(watched())
    else:
        _feed(host)
    return hub.encoded


def _feed(host: SinkHost) -> None:
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for index in range(1, STEPS + 1):
        host.put(Step.of([_tracks("a", index), _tracks("b", index)]), {"a": image, "b": image})
    host.close()


@pytest.mark.parametrize("looking", [False, True])
def test_each_picture_is_drawn_once_whoever_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looking: bool
) -> None:
    sizes = Sizes(monkeypatch)
    encoded = _show(tmp_path, 1280, looking=looking)
    assert (encoded > 0) == looking
    assert len(sizes.drawn) == 2 * STEPS
    assert set(sizes.drawn.values()) == {1}
    assert all((tmp_path / "video" / f"{name}.mp4").stat().st_size for name in ("a", "b", "mosaic"))


def test_a_mosaic_of_smaller_pictures_draws_those_alone_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = Sizes(monkeypatch)
    assert _show(tmp_path, 200, looking=True)
    widths = Counter[int]()
    for (_, _, width), times in sizes.drawn.items():
        widths[width] += times
    assert widths == {WIDTH: 2 * STEPS, 97: 2 * STEPS}
