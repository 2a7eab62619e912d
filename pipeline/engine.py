"""The engine: joins the stages and does nothing else.

    cameras -> Batcher -> Perception (detect, embed) -> Follower -> sinks -> (files) final identities

Each arrow is a bounded queue and each stage has its own thread (the networks of a recording several), so
decoding, the networks, tracking, drawing and encoding run side by side. Whoever ends or fails says so down the
same path.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from relaytrack.pipeline.build import create_follower, create_perception, lanes_of
from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.postprocess.finalize import finalize, regroup
from relaytrack.pipeline.preflight import preflight
from relaytrack.pipeline.records import FrameTracks
from relaytrack.pipeline.report import write_report
from relaytrack.pipeline.results.folder import prepare_output
from relaytrack.pipeline.results.run_info import RunInfo
from relaytrack.pipeline.runtime.stage_thread import Worker
from relaytrack.pipeline.runtime.summary import Summary
from relaytrack.pipeline.sinks import Sink, create_sinks
from relaytrack.pipeline.sources import create_source, is_live
from relaytrack.pipeline.sources.synchroniser import Batcher

Step = tuple[FrameTracks, ...]


class Progress(Protocol):
    """Watches a run; see `relaytrack.pipeline.cli.progress`."""

    def start(self, phase: str, total: float | None = None) -> None:
        """A phase begins: "follow" (total unknown) or "finalize" (total = 1)."""

    def step(self, summary: Summary, waiting: Mapping[str, int]) -> None:
        """One moment of all cameras went through."""

    def advance(self, done: float) -> None:
        """The share of the phase that is done, 0..1."""

    def stop(self) -> None:
        """The run is over."""


class Pipeline:
    """Runs a configuration from cameras to outputs.

    Args:
        config: a checked configuration (`load_config`).
        progress: told how the run goes; None for silence.
        sinks: further receivers of every step, besides those of the configuration.

    Example:
        >>> from pipeline import Pipeline, load_config
        >>> summary = Pipeline(load_config("configs/demo.yaml")).run()  # doctest: +SKIP
    """

    def __init__(self, config: Config, *, progress: Progress | None = None, sinks: Sequence[Sink] = ()) -> None:
        if not config.cameras:
            raise ConfigError("no cameras: name at least one (cameras: in the configuration, or --source)")
        self.config = config
        self.on_networks: Callable[[Perception], object] | None = None
        self._progress = progress
        self._extra_sinks = tuple(sinks)
        self._stop = threading.Event()

    def stop(self) -> None:
        """End the run soon and cleanly: what was written stays complete. Safe from any thread or signal."""
        self._stop.set()

    def run(self) -> Summary:
        """Run to the end of all files, to `run.max_seconds` or until `stop()`.

        Returns:
            What was seen and how long it took.

        Raises:
            RelayTrackError: anything a user can cause; everything written before stays readable.
            TrackerError: from the tracker or the association.
            ReidError: from the embedder.
        """
        config = self.config
        names = [camera.name for camera in config.cameras]
        preflight(config)
        planes = ground_planes(config)
        live = any(is_live(camera, config.run) for camera in config.cameras)
        perception = create_perception(config, lanes_of(config, live=live))
        if self.on_networks:
            self.on_networks(perception)
        started = time.monotonic()
        sources = [
            create_source(camera, config.input, config.run, started=started, stop=self._stop)
            for camera in config.cameras
        ]
        follower = create_follower(config, perception, planes=planes, keep_earlier=not live)
        summary = Summary(names)
        batcher = Batcher(
            sources,
            window=config.batch.window,
            max_wait=config.batch.max_wait,
            queue=config.input.queue,
            stop=self._stop,
            open_timeout=config.input.open_timeout + 1.0,
        )
        with contextlib.ExitStack() as stack:
            stack.callback(follower.close)
            stack.callback(batcher.close)
            batcher.start()
            out = prepare_output(config)
            info = RunInfo(config, out, perception, sources)
            ours = create_sinks(config, names, live=live, revisions=follower.take_revisions)
            sinks = [*ours, *self._extra_sinks]
            closing = stack.enter_context(contextlib.ExitStack())
            for sink in sinks:
                closing.callback(sink.close)

            see = Worker("networks", perception.perceive, batcher, depth=2, lanes=perception.lanes)
            follow = Worker("track", follower.follow, see)
            write = Worker("write", _Writer(sinks), follow)
            workers: tuple[Worker[Any, Any], ...] = (see, follow, write)
            stack.callback(_end, workers)
            if self._progress:
                self._progress.start("follow")
                stack.callback(self._progress.stop)
            try:
                for worker in workers:
                    worker.start()
                for step in write:
                    summary.add(step)
                    if self._progress:
                        self._progress.step(summary, batcher.depth())
            except BaseException:
                self._stop.set()
                raise
            finally:
                summary.finish(time.monotonic() - started, sources, perception, (follow, write))
                info.update(summary, final=False)
            closing.close()
            batcher.close()
            complete = not self._stop.is_set() and not live
            identities = follower.final_identities()
            summary.identify(identities)
            if complete:
                if self._progress:
                    self._progress.start("finalize", 1.0)
                complete = finalize(config, identities, follower.earlier, progress=self._advance, stop=self._stop)
            if not complete:  # the list, at least, says what was known at the end
                regroup(out, identities)
            summary.total_seconds = time.monotonic() - started
            info.update(summary, final=complete)
            if config.output.report:
                write_report(out, planes)
        return summary

    def _advance(self, done: float) -> None:
        if self._progress:
            self._progress.advance(done)


class _Writer:
    """Hands each step to every sink, in order, and passes it on."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks

    def __call__(self, step: Step) -> Step:
        for sink in self._sinks:
            sink.write(step)
        return step


def _end(workers: Sequence[Worker[Any, Any]]) -> None:
    for worker in workers:
        worker.abandon()
    for worker in workers:
        worker.join(1.0)
