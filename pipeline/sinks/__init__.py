"""Sinks: what a run leaves behind. `create_sinks` gives those that a configuration asks for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from relaytrack.pipeline.clock import WallClock
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.render.annotator import Annotator
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.render.painter import format_time
from relaytrack.pipeline.render.palette import IdentityColors
from relaytrack.pipeline.render.pauses import SHORTENED
from relaytrack.pipeline.render.places import places_of
from relaytrack.pipeline.sinks.base import Sink, Step
from relaytrack.pipeline.sinks.events import EventsSink, Revision
from relaytrack.pipeline.sinks.identities import IdentitiesSink
from relaytrack.pipeline.sinks.mosaic import MosaicSink
from relaytrack.pipeline.sinks.mot import MotSink
from relaytrack.pipeline.sinks.privacy import FOLDER, PrivacySink
from relaytrack.pipeline.sinks.segments import DiskLimit
from relaytrack.pipeline.sinks.video import VideoSink

LOG = logging.getLogger("relaytrack.sinks")

__all__ = ["Sink", "Step", "create_sinks"]


def create_sinks(
    config: Config,
    cameras: Sequence[str],
    *,
    live: bool,
    revisions: Callable[[], Sequence[Revision]] | None = None,
) -> list[Sink]:
    """Open the sinks of a run; `relaytrack.pipeline.results.folder.prepare_output` has made the output folder.

    Args:
        config: the whole configuration; `output` matters here.
        cameras: the cameras' names, in the configuration's order.
        live: cut the files into segments, show dates, keep the disk limit.
        revisions: hands over the association's corrections since the last call, for the events.

    Raises:
        OutputError: a file cannot be opened for writing.
    """
    output = config.output
    folder = Path(output.dir)
    clock = WallClock()
    segment = output.segment_minutes * 60.0 if live else None
    dates = clock if live else None
    sinks: list[Sink] = [MotSink(folder, cameras, segment=segment, clock=clock)]
    if config.events.enabled:
        sinks.append(EventsSink(folder, config.cameras, config.events, revisions=revisions, clock=dates))
    retain = output.retain_hours * 3600.0 if live and output.retain_hours is not None else None
    colors = IdentityColors()
    pictures: list[Sink] = [
        IdentitiesSink(folder, cameras, crops=output.crops, clock=dates, retain=retain, colors=colors)
    ]
    if output.video:
        annotator = Annotator(output.trail, dates, colors, places_of(config))
        encoder = partial(Encoder, crf=output.crf, preset=output.preset, on_pause=_PauseSaid())
        videos = folder / "video"
        pictures.append(VideoSink(videos, cameras, annotator, encoder, segment=segment, clock=clock))
        if output.mosaic:
            pictures.append(
                MosaicSink(
                    videos / "mosaic.mp4",
                    cameras,
                    annotator,
                    width=output.mosaic_width,
                    encoder=encoder,
                    segment=segment,
                    clock=clock,
                )
            )
    if output.blur is None:
        sinks += pictures
    else:
        sinks.append(PrivacySink(pictures, output.blur, None if live else folder / FOLDER))
    if live:
        sinks.append(DiskLimit(folder, output.disk_limit_gb * 1e9))
    return sinks


class _PauseSaid:
    """Says of the first pause that a video shortens that it does so; once in a run."""

    def __init__(self) -> None:
        self._said = False

    def __call__(self, time: float, seconds: float) -> None:
        if not self._said:
            self._said = True
            LOG.warning(
                "no pictures for %s before %s: such a pause lasts %g s in the videos, their clock shows the true time",
                format_time(seconds),
                format_time(time),
                SHORTENED,
            )
