"""What a live run keeps of tracks that are over: nothing that goes on growing for hours."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from relaytrack.pipeline.config.schema import EventsConfig
from relaytrack.pipeline.events.known_tracks import KnownTracks
from relaytrack.pipeline.events.watch import EventWatch
from relaytrack.pipeline.identity.corrections import Corrections
from relaytrack.pipeline.identity.messages import TrackletMessage
from relaytrack.pipeline.identity.service import LocalIdentityService
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.records import FrameInfo, FrameTracks, Step
from relaytrack.pipeline.runtime.summary import Summary
from relaytrack.pipeline.sinks.identities import IdentitiesSink
from relaytrack.trackers import IdentityAssociator

PEOPLE, EVERY, D = 6, 2.0, 16
BOX = np.array([[5, 5, 25, 55]], np.float32)


def _messages() -> Iterator[TrackletMessage]:
    """Every two seconds a new track, seen once, of one of six people in one of two cameras."""
    looks = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0].astype(np.float32)
    track = 0
    while True:
        track += 1
        camera = "ab"[track % 2]
        info = FrameInfo(camera, track, EVERY * track, (60, 60), epoch=1.7e9 + EVERY * track)
        look = looks[[track % PEOPLE]]
        yield TrackletMessage(info, np.array([track], np.int64), BOX, np.ones(1, np.float32), look)


class _LiveRun:
    """What follows the trackers in a live run, without pictures."""

    def __init__(self, folder: Path) -> None:
        associator = IdentityAssociator(window=24, max_identities=24)
        self.service = LocalIdentityService(associator, cameras=["a", "b"])
        self.corrections = Corrections().wrap(self.service)
        self.events = EventWatch((), EventsConfig())
        self.events._seen = KnownTracks(50)  # reached at once: two thousand take half an hour
        self.summary, self.colors = Summary(["a", "b"]), IdentityColors()
        self.sink = IdentitiesSink(folder, ["a", "b"], crops=False, every=1e9, retain=120.0)
        self._messages = _messages()

    def go_on(self, tracks: int) -> None:
        for message in (next(self._messages) for _ in range(tracks)):
            answer = self.corrections.update([message])
            [ids], [names] = answer.track_ids, answer.global_ids
            seen = FrameTracks(
                message.frame, ids, names, message.xyxy, message.scores, embeddings=message.embeddings.copy()
            )
            events = self.events.update(message.frame.time, [seen], answer.revisions)
            step = Step(message.frame.time, (seen,), answer.revisions, tuple(events))
            self.summary.add(step)
            self.colors.see(step.time, names.tolist())
            self.sink.write(step)


def test_tracks_that_are_over_take_no_memory_after_half_an_hour(tmp_path: Path) -> None:
    """Fault: the last identity of every track was kept for one to two hours, and of a thousand tracks of each camera.

    At 55 tracks a minute that is 1 MiB an hour for two hours.
    """
    run = _LiveRun(tmp_path)
    tracemalloc.start()
    try:
        run.go_on(900)  # half an hour
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        run.go_on(900)
        gc.collect()
        more = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    run.sink.close()
    assert more < 900 * 50
    assert len(run.sink._cameras) == 2
    assert run.summary.frames == 1_800
