"""A live run over looped cameras for hours: does it take more and more of the machine?"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from relaytrack.pipeline.benchmarks.ending import Ending
from relaytrack.pipeline.benchmarks.growth import Growth, joint_verdict
from relaytrack.pipeline.benchmarks.looped_cameras import LoopServer, write_clip
from relaytrack.pipeline.benchmarks.resources import Resources, folder_mib
from relaytrack.pipeline.benchmarks.samples_log import Row, SamplesLog, pause, quarters
from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.results.folder import make_folder, write_atomically, writing
from relaytrack.pipeline.runtime.snapshot import Snapshot

DAY = 86_400.0
COLUMNS = (
    "seconds", "frames", "dropped", "broken", "reconnects", "identities",
    "rss_mib", "threads", "files", "disk_mib", "age_p50", "age_p95",
)  # fmt: skip
JUDGED = ("rss_mib", "threads", "files")
_CALIBRATION = 20.0  # seconds of the run that finds out what the machine holds
_HELD = 0.8  # share of the rate found out that the soak then asks for
_STARVED = 0.5  # steadiness below which a run says nothing about memory
_FEWEST = 8  # samples from which steadiness is told


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """What a soak does.

    Attributes:
        clips: videos to play for ever; the cameras take turns at them.
        cameras: how many cameras.
        seconds: how long.
        rate: frames per second of each camera; None for 0.8 of what the machine holds.
        every: seconds between two samples, on average; each pause is between half and one and a half of it.
        warm_up: seconds at the start that are not judged.
        transport: "rtsp" plays the clips over a real RTSP server, "file" reads them as live files.
        limit: growth in 24 hours that is allowed, percent.
    """

    clips: Sequence[Path]
    cameras: int = 4
    seconds: float = 5400.0
    rate: float | None = None
    every: float = 5.0
    warm_up: float = 900.0
    transport: Literal["rtsp", "file"] = "rtsp"
    limit: float = 2.0


def soak(
    config: Config,
    plan: SoakPlan,
    out: Path,
    say: Callable[[str], object],
    *,
    ending: Ending | None = None,
    **parts: Any,
) -> dict[str, Any]:
    """Run and sample; leaves `soak.csv`, `soak.json` and the run's own folder `run/` in `out`.

    Args:
        config: settings of the run; its cameras and `output.dir` are replaced.
        plan: what to do.
        out: an existing folder or a new one.
        say: told how it goes.
        ending: tells it to end early; what was sampled until then is judged.
        parts: taken instead of configured ones, as by `Pipeline` (detector, embedder).

    Returns:
        The summary, as in `soak.json`.

    Raises:
        InputError: a clip cannot be read, GStreamer's RTSP server or /proc is absent.
        RelayTrackError: what ended the run.
    """
    Resources.now()
    ending = ending or Ending()
    with writing(out, "create the folder"):
        make_folder(out)
    with _addresses(plan, out) as addresses:
        rate = plan.rate or _HELD * _what_holds(config, plan, addresses, say, ending, parts)
        say(
            f"{plan.cameras} cameras of {rate:.2f} frames per second over {plan.transport}, {plan.seconds / 60:.0f} min"
        )
        output = config.output.model_copy(update={"dir": str(out / "run"), "overwrite": True})
        run = config.run.model_copy(update={"max_seconds": plan.seconds})
        cameras = _cameras(plan, addresses, rate)
        pipeline = Pipeline(config.model_copy(update={"output": output, "run": run, "cameras": cameras}), **parts)
        with SamplesLog(out / "soak.csv", COLUMNS) as log, ending.calls(pipeline.stop):
            _follow(pipeline, plan, out / "run", log, say, ending)
            pipeline.join()
    figures = _summary(plan, rate, log)
    if ending.told:
        figures["ended_early"] = f"{figures['minutes']} of {plan.seconds / 60.0:g} minutes"
    write_atomically(out / "soak.json", json.dumps(figures, indent=1) + "\n")
    return figures


@contextmanager
def _addresses(plan: SoakPlan, out: Path) -> Iterator[list[str]]:
    """The cameras' addresses, played as long as the block lasts."""
    if plan.transport == "file":
        yield [str(plan.clips[number % len(plan.clips)]) for number in range(plan.cameras)]
        return
    clips = [write_clip(clip, out / f"clip{number}.json") for number, clip in enumerate(plan.clips)]
    with LoopServer(clips) as server:
        yield [server.url(number) for number in range(plan.cameras)]


def _cameras(plan: SoakPlan, addresses: Sequence[str], rate: float | None) -> tuple[CameraConfig, ...]:
    loop = True if plan.transport == "file" else None
    settings: dict[str, Any] = {"max_fps": rate} | ({"live": True, "loop": True} if loop else {})
    return tuple(
        CameraConfig(url=address, name=f"cam{number}", **settings) for number, address in enumerate(addresses, 1)
    )


def _what_holds(
    config: Config,
    plan: SoakPlan,
    addresses: Sequence[str],
    say: Callable[[str], object],
    ending: Ending,
    parts: Mapping[str, Any],
) -> float:
    """Frames per second and camera that come through when all that the cameras give is taken."""
    say(f"finding out what this machine holds ({_CALIBRATION:.0f} s)")
    output = config.output.model_copy(update={"dir": None})
    run = config.run.model_copy(update={"max_seconds": _CALIBRATION})
    cameras = _cameras(plan, addresses, None)
    pipeline = Pipeline(config.model_copy(update={"output": output, "run": run, "cameras": cameras}), **parts)
    with ending.calls(pipeline.stop):
        summary = pipeline.run()
    return max(summary.frames / max(summary.seconds, 1.0) / plan.cameras, 0.1)


def _follow(
    pipeline: Pipeline,
    plan: SoakPlan,
    folder: Path,
    log: SamplesLog,
    say: Callable[[str], object],
    ending: Ending,
) -> None:
    """Sample until the run ends."""
    pipeline.start()
    said = begin = time.monotonic()
    try:
        while not ending.wait(pause(plan.every)):
            snapshot = pipeline.status()
            seconds = time.monotonic() - begin
            if snapshot.state != "running" or seconds >= plan.seconds:
                return  # what its end takes is no growth
            row = _sample(seconds, snapshot, folder)
            log.add(row)
            if time.monotonic() - said >= 60.0:
                said = time.monotonic()
                say(" ".join(f"{key} {row[key]:.6g}" for key in COLUMNS if row[key] is not None))
    except BaseException:
        pipeline.stop()
        raise


def _sample(seconds: float, snapshot: Snapshot, folder: Path) -> Row:
    cameras = list(snapshot.cameras.values())
    ages = [one.age_p50 for one in cameras if one.age_p50 is not None]
    late = [one.age_p95 for one in cameras if one.age_p95 is not None]
    used = Resources.now()
    return {
        "seconds": seconds,
        "frames": sum(one.frames for one in cameras),
        "dropped": sum(one.dropped for one in cameras),
        "broken": sum(one.broken for one in cameras),
        "reconnects": sum(one.reconnects for one in cameras),
        "identities": snapshot.identities,
        "rss_mib": used.rss_mib,
        "threads": used.threads,
        "files": used.files,
        "disk_mib": folder_mib(folder),
        "age_p50": statistics.median(ages) if ages else None,
        "age_p95": max(late) if late else None,
    }


def _summary(plan: SoakPlan, rate: float, log: SamplesLog) -> dict[str, Any]:
    def of(column: str) -> Growth:
        return log.growth(column, over="seconds", after=plan.warm_up, horizon=DAY, limit=plan.limit)

    found = {column: of(column) for column in JUDGED}
    steady = steadiness([row for row in log.rows if (row["seconds"] or 0.0) >= plan.warm_up])
    if steady < _STARVED:
        found = {column: replace(one, verdict="starved") for column, one in found.items()}
    told = {column: of(column) for column in ("disk_mib", "age_p50", "age_p95")}
    last = log.rows[-1] if log.rows else {}
    return {
        "cameras": plan.cameras,
        "transport": plan.transport,
        "rate": round(rate, 3),
        "minutes": round((last.get("seconds") or 0.0) / 60.0, 2),
        "warm_up_minutes": plan.warm_up / 60.0,
        "frames": last.get("frames"),
        "dropped": last.get("dropped"),
        "reconnects": last.get("reconnects"),
        "steadiness": round(steady, 3),
        "growth_per_24_h": {name: one.as_dict() for name, one in found.items()},
        "not_judged": {name: one.as_dict() for name, one in told.items()},
        "verdict": joint_verdict(list(found.values())),
    }


def steadiness(rows: Sequence[Row]) -> float:
    """How evenly a run worked, 0..1; a starved one holds less in memory, which hides growth or looks like it.

    The samples are cut into four parts. Of each counts the share of its frames that was looked at and not dropped, and
    how its frames per second compare with those of the best part; the least of all these is the answer.
    """
    if len(rows) < _FEWEST:
        return 1.0
    shares, rates = [], []
    for first, last in quarters(rows):
        done, lost, passed = (
            float(last[column] or 0) - float(first[column] or 0) for column in ("frames", "dropped", "seconds")
        )
        shares.append(done / max(done + lost, 1.0))
        rates.append(done / max(passed, 1e-9))
    return min(*shares, min(rates) / max(*rates, 1e-9))
