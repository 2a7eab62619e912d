"""How many cameras one identity service of a cluster bears: synthetic tracklets at their real pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np

from relaytrack.pipeline.benchmarks.tracklet_streams import CameraStream
from relaytrack.pipeline.cluster.asked import AskedEmbeddings
from relaytrack.pipeline.cluster.batches import TrackletBatch, encode
from relaytrack.pipeline.cluster.desk import IdentityDesk
from relaytrack.pipeline.cluster.greetings import CameraHello
from relaytrack.pipeline.cluster.memory import Memory
from relaytrack.pipeline.identity.service import MAX_LATE, LocalIdentityService
from relaytrack.trackers import IdentityAssociator

_BEFORE = 5.0  # seconds of tracklets that do not count
_TOGETHER = 50  # cameras that see the same people; those of the next ones look different
_PER_NODE = 20  # cameras whose batches travel in one call


@dataclass(frozen=True, slots=True)
class Load:
    """What one service did with so many cameras.

    Attributes:
        cameras, people, rate: cameras, people in each picture, batches per second of each camera.
        batches: decided per second of wall time; offered: sent per second.
        p50, p99: milliseconds from a call to its answer.
        cpu: seconds of CPU time per second, of the whole process.
        work: seconds of CPU time that the service took to decide one second of all cameras: below 1 it keeps up.
        size: bytes per person and frame.
        kept_up: whether all was answered at the pace at which it came.
    """

    cameras: int
    people: int
    rate: float
    offered: float
    batches: float
    p50: float
    p99: float
    cpu: float
    work: float
    size: float
    kept_up: bool


def identity_load(cameras: int, *, people: int = 20, rate: float = 5.0, seconds: float = 8.0, dim: int = 512) -> Load:
    """Send `seconds` of synthetic tracklets at their pace, and time the answers.

    All cameras begin at once, every person new. So five seconds of tracklets go before, as fast as they are answered:
    in them everybody is decided, and decided again; they do not count. The same people walk through 50 cameras each.
    """
    before = round(_BEFORE * rate)
    frames = before + round(seconds * rate)
    calls, tracks = _calls(cameras, people, rate, frames, dim)
    service = LocalIdentityService(IdentityAssociator(max_late=MAX_LATE))
    names = [f"c{number}" for number in range(cameras)]
    desk = IdentityDesk(Memory(service), cameras=names, window=0.5 / rate, live=True)
    for first in range(0, cameras, _PER_NODE):
        node = {name: CameraHello(True, rate) for name in names[first : first + _PER_NODE]}
        desk.hello(f"n{first}", 1, node)
    done: list[float] = []

    def send(frame: int, note: Callable[[float], None]) -> list[Future[bytes]]:
        futures = []
        for first, data in calls[frame]:
            sent = time.perf_counter()
            future = desk.submit(f"n{first}", 1, 1, frame / rate, data)
            future.add_done_callback(lambda _, sent=sent: note(time.perf_counter() - sent))  # type: ignore[misc]
            futures.append(future)
        return futures

    for frame in range(before):
        for future in send(frame, lambda trip: None):
            future.result(600)
    decided = desk.status().seconds
    started, cpu = time.perf_counter(), time.process_time()
    waiting: list[Future[bytes]] = []
    for frame in range(before, frames):
        pause = started + (frame - before) / rate - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
        waiting += send(frame, done.append)
    for future in waiting:
        future.result(600)
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    work = (desk.status().seconds - decided) / seconds
    desk.close()
    p50, p99 = (1e3 * np.percentile(done, [50, 99])).tolist()
    size = sum(len(data) for moment in calls for _, data in moment) / max(tracks, 1)
    offered = cameras * rate
    return Load(
        cameras,
        people,
        rate,
        offered,
        cameras * (frames - before) / took,
        p50,
        p99,
        cpu / took,
        work,
        size,
        took < seconds + 1.0,
    )


def _calls(cameras: int, people: int, rate: float, frames: int, dim: int) -> tuple[list[list[tuple[int, bytes]]], int]:
    """By frame, the calls of all nodes as (first camera, bytes); and how many tracks are in them."""
    streams = []
    for number in range(min(cameras, _TOGETHER)):
        asked = AskedEmbeddings()
        stream = CameraStream(f"c{number}", people=people, fps=rate, dim=dim, number=number)
        streams.append([asked.choose(message) for message in stream.messages(frames)])
    tracks = 0
    encoded: list[list[bytes]] = []
    for number in range(cameras):
        group, own = divmod(number, _TOGETHER)
        mixed = np.random.default_rng(group).permutation(dim) if group else np.arange(dim)  # other people
        rows = []
        for sequence, message in enumerate(streams[own]):
            frame = replace(message.frame, camera=f"c{number}")
            here = replace(message, frame=frame, embeddings=message.embeddings[:, mixed])
            rows.append(encode(TrackletBatch(sequence + 1, here), "compact"))
            tracks += len(message.ids)
        encoded.append(rows)
    groups = range(0, cameras, _PER_NODE)
    return [
        [(first, b"".join(rows[frame] for rows in encoded[first : first + _PER_NODE])) for first in groups]
        for frame in range(frames)
    ], tracks


def largest(loads: Sequence[Load], limit: float = 100.0) -> int:
    """The most cameras at which answers came in time."""
    return max((load.cameras for load in loads if load.kept_up and load.p99 <= limit), default=0)
