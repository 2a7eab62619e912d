"""Sinks: what a run leaves behind. `create_sinks` gives those that a configuration asks for, and nobody else does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from relaytrack.pipeline.config.output import OutputConfig
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.dates import format_time
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.pauses import SHORTENED
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.render.places import Places
from relaytrack.pipeline.sinks.base import Sink, Step
from relaytrack.pipeline.sinks.events import EventsSink
from relaytrack.pipeline.sinks.identities import IdentitiesSink
from relaytrack.pipeline.sinks.mosaic import MosaicSink
from relaytrack.pipeline.sinks.mot import MotSink
from relaytrack.pipeline.sinks.segments import DiskLimit
from relaytrack.pipeline.sinks.video import VideoSink

LOG = logging.getLogger("relaytrack.sinks")

__all__ = ["Sink", "Step", "create_sinks", "create_video_sinks"]


def create_sinks(
    config: Config,
    cameras: Sequence[str],
    *,
    live: bool,
    colors: IdentityColors | None = None,
    places: Mapping[str, Places] | None = None,
    network: bytes | None = None,
) -> list[Sink]:
    """Open the sinks of a run; the output folder is there already (`pipeline.results.folder.prepare_output`).

    Args:
        config: the whole configuration; `output` matters here.
        cameras: the cameras' names at the start, in the configuration's order.
        live: cut the files into segments and keep the disk limit.
        places: zones and lines for the mosaic, by camera; looked up at every frame.
        colors: the identities' colours, told elsewhere who is seen (`render.pictures.Pictures`).
        network: the mark of the network that describes people.

    Raises:
        OutputError: a file cannot be opened for writing.
    """
    output = config.output
    folder = output.folder
    segment = output.segment_minutes * 60.0 if live else None
    sinks: list[Sink] = [MotSink(folder, cameras, segment=segment)]
    if config.events.enabled:
        sinks.append(EventsSink(folder, append=output.resume))
    retain = output.retain_hours * 3600.0 if live and output.retain_hours is not None else None
    colors = colors or IdentityColors()
    people = IdentitiesSink(folder, cameras, crops=output.crops, retain=retain, colors=colors, network=network)
    if output.resume:
        people.recall()
    sinks.append(people)
    if output.video:
        encoder = partial(Encoder, crf=output.crf, preset=output.preset, on_pause=_PauseSaid())
        sinks += create_video_sinks(output, cameras, encoder, colors=colors, places=places, segment=segment)
    if live:
        sinks.append(DiskLimit(folder, output.disk_limit_gb * 1e9))
    return sinks


def create_video_sinks(
    output: OutputConfig,
    cameras: Sequence[str],
    encoder: Callable[[Path], Encoder],
    *,
    colors: IdentityColors,
    places: Mapping[str, Places] | None,
    segment: float | None = None,
    only: Sequence[str] | None = None,
) -> list[Sink]:
    """What writes the videos: one of each camera and, where it is configured, the mosaic.

    Args:
        output: the settings.
        cameras: the cameras of the mosaic, in order.
        encoder: opens an encoder for a path.
        colors: the identities' colours.
        places: zones and lines for the mosaic, by camera.
        segment: seconds per file of a live run; None for one file.
        only: cameras whose own videos are written; None for all.
    """
    videos = output.folder / "video"
    sinks: list[Sink] = [VideoSink(videos, encoder, only=only, segment=segment)]
    if output.mosaic:
        mosaic = MosaicSink(
            videos / "mosaic.mp4",
            cameras,
            trail=output.trail,
            colors=colors,
            places=places,
            width=output.mosaic_width,
            encoder=encoder,
            segment=segment,
        )
        sinks.append(mosaic)
    return sinks


class _PauseSaid:
    """Reports the first pause that a video shortens, once in a run."""

    def __init__(self) -> None:
        self._said = False

    def __call__(self, time: float, seconds: float) -> None:
        if not self._said:
            self._said = True
            LOG.warning(
                "no pictures for %s before %s: the videos shorten it to %g s, and their clock shows the true time",
                format_time(seconds),
                format_time(time),
                SHORTENED,
            )
