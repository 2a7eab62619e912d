"""Millions of frames of recorded detections through tracker, association and outputs: does memory grow?

There are no pictures and no networks, hence no videos and crops; everything else is as in a live run: segments, disk
limit, events, the list of identities, the store.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.pipeline import build
from relaytrack.pipeline.benchmarks.ending import Ending
from relaytrack.pipeline.benchmarks.growth import joint_verdict
from relaytrack.pipeline.benchmarks.resources import Resources, folder_mib
from relaytrack.pipeline.benchmarks.samples_log import SamplesLog, pause, quarters
from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.events.watch import EventWatch
from relaytrack.pipeline.identity.making import create_identity_service
from relaytrack.pipeline.records import Detections, Floats, FrameInfo, Observation
from relaytrack.pipeline.replay.detection_cache import DetectionCache, collect
from relaytrack.pipeline.replay.observe import Observer
from relaytrack.pipeline.results.folder import make_folder, prepare_output, write_atomically, writing
from relaytrack.pipeline.runtime.summary import Summary
from relaytrack.pipeline.sinks import create_sinks
from relaytrack.pipeline.tracking.multi_camera import MultiCameraTracker

COLUMNS = ("frames", "seconds", "cpu_seconds", "clock_hours", "identities", "rss_mib", "threads", "files", "disk_mib")
JUDGED = ("rss_mib", "threads", "files")
_SAMPLES = 240
_FEWEST = 24  # samples that a verdict needs
_LONGEST = 20.0  # seconds between two samples
_WARM_UP = 0.25  # share of the frames that is not judged; more where `identities.max_age` ends later
_SIZE = (1920, 1080)  # of pictures whose cache tells no size
_PAUSE = 1200.0  # the longest pause between two turns, seconds
_STRANGERS = 0.2  # share of the turns in which nobody looks like somebody of before
_ZERO = 1_700_000_000.0  # seconds since 1970 at the run's time 0


def record(config: Config, clips: Sequence[Path], say: Callable[[str], object]) -> list[DetectionCache]:
    """Look at every clip once with the networks.

    Raises:
        RelayTrackError: a clip or a network is not usable.
    """
    found = []
    for number, clip in enumerate(clips, 1):
        say(f"recording the detections of {clip.name}")
        camera = CameraConfig(url=str(clip), name=f"cam{number}")
        with Observer(config.model_copy(update={"cameras": (camera,)})) as observer:
            found.append(collect(observer.frames()))
    return found


def soak_recorded(
    config: Config,
    caches: Sequence[DetectionCache],
    frames: int,
    out: Path,
    say: Callable[[str], object],
    *,
    seconds: float = math.inf,
    limit: float = 5.0,
    seed: int = 2026,
    ending: Ending | None = None,
) -> dict[str, Any]:
    """Play the caches again and again until `frames` frames of all cameras together went through.

    After each turn comes a pause of up to 20 minutes on the run's clock, so that days go by; in every fifth turn, by
    chance, the embeddings are turned into those of other people. Leaves `recorded.csv` and `recorded.json` in `out`,
    what the run wrote in `out/run`.

    Args:
        config: settings of the run; cameras, videos and crops are replaced.
        caches: one per camera.
        frames: how many.
        out: the folder.
        say: told how it goes.
        seconds: end after so long; growth is then carried on to `frames`.
        limit: growth that is allowed, percent, from the first quarter's end to `frames`; but not before so much time
            went by on the run's clock that people are forgotten (`identities.max_age`), if that is reached.
        seed: of pauses and strangers.
        ending: tells it to end early, as after `seconds`.

    Returns:
        The summary, as in `recorded.json`.

    Raises:
        InputError: a cache has no clock, or this system has no /proc.
        OutputError: the outputs cannot be written.
    """
    ending = ending or Ending()
    with writing(out, "create the folder"):
        make_folder(out)
    cameras = tuple(CameraConfig(url=f"cache:{n}", name=f"cam{n}", live=True) for n in range(1, len(caches) + 1))
    output = config.output.model_copy(
        update={"dir": str(out / "run"), "overwrite": True, "video": False, "crops": False, "resume": False}
    )
    config = config.model_copy(update={"cameras": cameras, "output": output})
    prepare_output(config)
    names = [camera.name or "" for camera in cameras]
    service = create_identity_service(config, None)
    events = EventWatch(cameras, config.events)
    tracker = MultiCameraTracker([build.create_session(config, one, None) for one in cameras], service, events)
    sinks = create_sinks(config, names, live=True)
    summary = Summary(names)
    every, due, begin, cpu = max(frames // _SAMPLES, 1), 0.0, time.monotonic(), time.process_time()
    done, late = 0, _LONGEST
    with SamplesLog(out / "recorded.csv", COLUMNS) as log:
        for observations in _turns(names, caches, seed):
            step = tracker.follow(observations).step
            summary.add(step)
            for sink in sinks:
                sink.write(step)
            done += len(observations)
            passed = time.monotonic() - begin
            if done >= due or passed >= late:
                due, late = done + pause(every), passed + _LONGEST
                used = Resources.now()
                log.add(
                    {
                        "frames": done,
                        "seconds": passed,
                        "cpu_seconds": time.process_time() - cpu,
                        "clock_hours": step.time / 3600.0,
                        "identities": summary.identity_count,
                        "rss_mib": used.rss_mib,
                        "threads": used.threads,
                        "files": used.files,
                        "disk_mib": folder_mib(out / "run"),
                    }
                )
                if len(log) % 12 == 0:
                    say(f"{done} frames, {done / passed:.0f} per second, {used.rss_mib:.1f} MiB")
            if done >= frames or time.monotonic() - begin > seconds or ending.told:
                break
        for sink in sinks:
            sink.close()
        service.close()
    first = max(_WARM_UP * done, _settled(log, config.identities.max_age / 3600.0))
    found = {name: log.growth(name, over="frames", after=first, horizon=frames - first, limit=limit) for name in JUDGED}
    last = log.rows[-1]
    figures = {
        "frames": done,
        "carried_on_to": frames,
        "judged_from": round(first),
        "seconds": round(time.monotonic() - begin, 1),
        "clock_hours": round(last["clock_hours"] or 0.0, 2),
        "cpu_ms_per_frame": _cost(log, first),
        "cameras": len(caches),
        "identities": summary.identity_count,
        "tracks": sum(session.stats.tracks for session in tracker.sessions.values()),
        "growth": {name: one.as_dict() for name, one in found.items()},
        "verdict": joint_verdict(list(found.values())),
    }
    if ending.told:
        figures["ended_early"] = f"{done} of {frames} frames"
    write_atomically(out / "recorded.json", json.dumps(figures, indent=1) + "\n")
    return figures


def _settled(log: SamplesLog, hours: float) -> float:
    """Frames after which so many hours had gone by on the clock; 0 where that came too late to judge the rest."""
    later = [row for row in log.rows if (row["clock_hours"] or 0.0) >= hours]
    return float(later[0]["frames"] or 0) if len(later) >= _FEWEST else 0.0


def _cost(log: SamplesLog, first: float) -> list[float]:
    """Processor time of a frame in milliseconds in the four quarters of what is judged: it must not rise either."""
    rows = [row for row in log.rows if (row["frames"] or 0) >= first]
    return [
        round(
            1000 * float((b["cpu_seconds"] or 0) - (a["cpu_seconds"] or 0)) / ((b["frames"] or 0) - (a["frames"] or 0)),
            3,
        )
        for a, b in quarters(rows)
    ]


def _turns(names: Sequence[str], caches: Sequence[DetectionCache], seed: int) -> Iterator[list[Observation]]:
    """The moments of all cameras, for ever."""
    chance = np.random.default_rng(seed)
    moments = _moments(caches)
    sizes = [cache.size or _SIZE for cache in caches]
    rows = [cache.per_frame() for cache in caches]
    plain = [
        np.zeros((len(cache), 0), np.float32) if cache.embeddings is None else cache.embeddings for cache in caches
    ]
    begin, turn = 0.0, 0
    length = max(float(cache.clock(None)[-1]) for cache in caches)
    index = [0] * len(caches)
    while True:
        vectors = _strangers(plain, chance) if turn and chance.random() < _STRANGERS else plain
        for stamp, places in moments:
            seen = []
            for camera, place in places:
                index[camera] += 1
                here, at = rows[camera][place], begin + stamp
                info = FrameInfo(names[camera], index[camera], at, sizes[camera], epoch=_ZERO + at)
                found = Detections(caches[camera].xyxy[here], caches[camera].scores[here])
                seen.append(Observation(info, found, vectors[camera][here]))
            yield seen
        begin += length + 1.0 + float(chance.uniform(0.0, _PAUSE))
        turn += 1


def _moments(caches: Sequence[DetectionCache]) -> list[tuple[float, list[tuple[int, int]]]]:
    """One turn: times in order, and which frame of which camera comes then; frames of one time come together."""
    by_time: dict[float, list[tuple[int, int]]] = {}
    for camera, cache in enumerate(caches):
        for place, stamp in enumerate(cache.clock(None).tolist()):
            by_time.setdefault(round(stamp, 3), []).append((camera, place))
    return sorted(by_time.items())


def _strangers(plain: Sequence[Floats], chance: np.random.Generator) -> list[Floats]:
    """The same embeddings in another corner of the space, the same one for all cameras: their numbers change places."""
    size = max(vectors.shape[1] for vectors in plain)
    order, sign = chance.permutation(size), chance.choice(np.array([-1, 1], np.float32), size)
    return [vectors[:, order] * sign if vectors.shape[1] == size else vectors for vectors in plain]
