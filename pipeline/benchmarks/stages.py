"""How fast the pipeline is, and what it costs beyond its networks.

`overhead` is the wall time of a run over the time that the detector's and the embedder's networks alone need for the
same inputs in the same batches. The inputs are recorded during one run. They are then played back to the networks from
as many threads as the run used, while nothing else runs. Runs and play-backs take turns and medians are reported,
because the speed of machines drifts.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av

from relaytrack.pipeline.benchmarks.resources import Resources
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.media import file_address
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.runtime.summary import Summary

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class NetworkRecorder:
    """Records the inputs of every network call of a perception, and plays them back from as many threads as the run.

    Args:
        perception: its detector's and embedder's networks are wrapped in place.
        most: calls kept at the most, which bounds the memory.
    """

    def __init__(self, perception: Perception, most: int = 5000) -> None:
        self.calls: list[Call] = []
        self.streams = perception.streams
        self._most = most
        self._wrap(getattr(perception.detector, "input", None), "_network")
        self._wrap(getattr(perception.embedder, "_backend", None), "run")

    def play(self) -> float:
        """Run all recorded calls again and return the seconds that they took."""
        with ThreadPoolExecutor(self.streams) as threads:
            start = time.perf_counter()
            for _ in threads.map(lambda call: call[0](*call[1]), self.calls):
                pass
            return time.perf_counter() - start

    def _wrap(self, owner: Any, name: str) -> None:
        inner = getattr(owner, name, None)
        if inner is None:
            return

        def recorded(*arguments: Any) -> Any:
            if len(self.calls) < self._most:
                self.calls.append((inner, tuple(_kept(argument) for argument in arguments)))
            return inner(*arguments)

        setattr(owner, name, recorded)


def _kept(argument: Any) -> Any:
    """A copy of an array or tensor, since its memory may be used again."""
    if hasattr(argument, "clone"):
        return argument.clone()
    return argument.copy() if hasattr(argument, "copy") else argument


class MemoryWatch:
    """A sink that notes the resident memory after given numbers of frames.

    Args:
        marks: numbers of frames, all cameras counted together.
    """

    def __init__(self, marks: Sequence[int]) -> None:
        self.mib: dict[int, float] = {}
        self._marks = sorted(marks)
        self._frames = 0

    def write(self, step: Step) -> None:
        """Count a step's frames."""
        self._frames += len(step)
        while self._marks and self._frames >= self._marks[0]:
            self.mib[self._marks.pop(0)] = Resources.now().rss_mib

    def close(self) -> None:
        """Nothing to close."""


def measure(config: Config, *, repeats: int = 3) -> dict[str, Any]:
    """Time runs with and without videos against their networks alone.

    Args:
        config: what to run; its output folder is replaced by a temporary one.
        repeats: interleaved repetitions; medians are returned.

    Returns:
        Figures by name: seconds, frames per second, milliseconds per frame of each stage, overhead.
    """
    recorder, frames = _record(config)
    recorder.play()
    alone, plain, filmed = [], [], []
    last: dict[bool, Summary] = {}
    for _ in range(repeats):
        alone.append(recorder.play())
        last[False] = _run(config, video=False)
        plain.append(last[False].seconds)
        alone.append(recorder.play())
        last[True] = _run(config, video=True)
        filmed.append(last[True].seconds)
    networks = statistics.median(alone)
    total = sum(frames.values())
    return {
        "frames": frames,
        "networks_alone_seconds": round(networks, 3),
        "without_video": _figures(statistics.median(plain), networks, total, last[False]),
        "with_video": _figures(statistics.median(filmed), networks, total, last[True]),
        "repeats": repeats,
        "inference_streams": recorder.streams,
    }


def measure_memory(config: Config, marks: Sequence[int] = (1500, 6000)) -> dict[str, float]:
    """Run over looped footage and return the resident memory (MiB) after so many frames."""
    watch = MemoryWatch(marks)
    with tempfile.TemporaryDirectory() as folder:
        need = max(marks) // len(config.cameras) + 1
        cameras = tuple(
            camera.model_copy(
                update={"url": str(loop_video(Path(camera.url), Path(folder) / f"{camera.name}.mp4", need))}
            )
            for camera in config.cameras
        )
        _run(config.model_copy(update={"cameras": cameras}), video=config.output.video, sinks=[watch])
    return {str(mark): round(mib, 1) for mark, mib in watch.mib.items()}


def measure_age(config: Config, seconds: float = 20.0) -> dict[str, float] | None:
    """Play the sources by their own clock and return the age of a frame (seconds) when its ids come out."""
    run = config.run.model_copy(update={"live": True, "max_seconds": seconds})
    return _run(config.model_copy(update={"run": run}), video=config.output.video).age()


def loop_video(source: Path, target: Path, frames: int) -> Path:
    """Write `source` again and again, without encoding, until `target` has `frames` frames.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with av.open(file_address(source)) as probe:
            stream = probe.streams.video[0]
            packets = [packet for packet in probe.demux(stream) if packet.dts is not None and packet.size]
            step = max(packet.duration or 1 for packet in packets)
            length = max(packet.pts or 0 for packet in packets) + step
            with av.open(file_address(target), "w") as out:
                copy = out.add_stream_from_template(stream)
                first = packets[0].dts or 0
                times = [(packet.pts, packet.dts) for packet in packets]
                for turn in range(-(-frames // len(packets))):
                    for packet, (pts, dts) in zip(packets, times, strict=True):
                        packet.pts = (pts or 0) + turn * length
                        packet.dts = (dts or 0) + turn * length if turn or first >= 0 else dts
                        packet.stream = copy
                        out.mux(packet)
    except (OSError, IndexError, ValueError) as error:
        raise InputError(f"{source}: cannot be looped ({type(error).__name__})") from None
    return target


def _record(config: Config) -> tuple[NetworkRecorder, dict[str, int]]:
    recorders: list[NetworkRecorder] = []
    summary = _run(config, video=False, prepare=lambda perception: recorders.append(NetworkRecorder(perception)))
    return recorders[0], {name: camera.frames for name, camera in summary.cameras.items()}


def _run(
    config: Config,
    *,
    video: bool,
    sinks: Sequence[MemoryWatch] = (),
    prepare: Callable[[Perception], object] | None = None,
) -> Summary:
    with tempfile.TemporaryDirectory() as folder:
        output = config.output.model_copy(update={"dir": folder, "overwrite": True, "video": video})
        pipeline = Pipeline(config.model_copy(update={"output": output}), sinks=sinks)
        pipeline.on_networks = prepare
        return pipeline.run()


def _figures(seconds: float, networks: float, frames: int, summary: Summary) -> dict[str, Any]:
    stages = {name: round(1000 * figures["seconds"] / max(frames, 1), 3) for name, figures in summary.stages.items()}
    return {
        "seconds": round(seconds, 3),
        "frames_per_second": round(frames / seconds, 2),
        "overhead": round(seconds / networks, 3),
        "total_seconds": round(summary.total_seconds, 3),
        "ms_per_frame": stages,
    }
