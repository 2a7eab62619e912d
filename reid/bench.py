"""How fast and how large the networks are: parameters, multiplications, images per second, memory."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from relaytrack.reid.cost import count_macs, interleaved
from relaytrack.reid.errors import ReidError
from relaytrack.reid.export import to_onnx
from relaytrack.reid.model import ModelSpec, ReidModel, build_model
from relaytrack.reid.onnx_runtime import import_onnxruntime
from relaytrack.reid.precision import autocast
from relaytrack.reid.training import losses
from relaytrack.reid.training.speedup import decimate_strided_depthwise

ENGINES = ("eager", "channels_last", "deployed", "compile", "onnxruntime", "training")
PRECISIONS = ("fp32", "bf16", "fp16")
CLASSES = 751
"""Identities of the training engine: Market-1501's."""


@dataclasses.dataclass(frozen=True, slots=True)
class BenchRow:
    """One measurement.

    Attributes:
        backbone: of the network.
        attention: of the network.
        height: of the input.
        width: of the input.
        parameters: without the training classifier.
        macs: multiplications (and additions) per image of convolutions and matrix products.
        engine: one of `ENGINES`; "deployed" is folded and channels last, "training" is forward and backward of
            cross-entropy and triplet loss as `reid train` runs them.
        precision: one of `PRECISIONS`.
        batch: images in a run.
        images_per_second: median over interleaved rounds; with one CPU thread, per second of CPU time.
        ratio: time against the first network's in the same engine, precision and batch.
        memory_mib: growth of a process of its own while it runs, or None if not measured.
    """

    backbone: str
    attention: str
    height: int
    width: int
    parameters: int
    macs: int
    engine: str
    precision: str
    batch: int
    images_per_second: float
    ratio: float
    memory_mib: float | None


def runner(model: ReidModel, engine: str, precision: str, batch: int, device: torch.device) -> Callable[[], object]:
    """A function that runs the network once on a batch, ready to be timed.

    Raises:
        ReidError: no such engine or precision, or a combination that there is not.
    """
    if engine not in ENGINES:
        raise ReidError(f"unknown engine {engine!r}: choose one of {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise ReidError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    x = torch.randn(batch, 3, model.spec.height, model.spec.width)
    if engine == "onnxruntime":
        if precision != "fp32":
            raise ReidError("onnxruntime is measured in fp32 only")
        onnxruntime = import_onnxruntime()

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        provider = "CUDAExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
        if provider not in onnxruntime.get_available_providers():
            raise ReidError(f"onnxruntime has no {provider} here")
        session = onnxruntime.InferenceSession(to_onnx(model), options, providers=[provider])
        feed = {session.get_inputs()[0].name: x.numpy()}
        return lambda: session.run(None, feed)
    if engine == "training":
        return _training_step(model.spec, x, precision, device)
    network: Callable[[Tensor], object] = model.eval().to(device)
    x = x.to(device)
    if engine != "eager":
        x = x.contiguous(memory_format=torch.channels_last)
        made = model.deploy() if engine == "deployed" else model
        network = made.to(device).to(memory_format=torch.channels_last)
    if engine == "compile":
        network = torch.compile(network)

    def run() -> object:
        with torch.inference_mode(), autocast(precision, device):
            result = network(x)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return result

    return run


def _training_step(spec: ModelSpec, x: Tensor, precision: str, device: torch.device) -> Callable[[], object]:
    """Forward and backward, without the optimiser's step (the same for the same parameters)."""
    if len(x) < 2:
        raise ReidError("a training step needs a batch of at least 2")
    model = build_model(spec, CLASSES).train().to(device).to(memory_format=torch.channels_last)
    if device.type == "cpu":
        decimate_strided_depthwise(model)
    x = x.to(device).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(len(x), device=device) // 4

    def run() -> object:
        with autocast(precision, device):
            feature, logits, _ = model(x)
        loss = losses.parts_cross_entropy(logits, labels) + losses.batch_hard_triplet(feature, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return None

    return run


def bench(
    specs: Sequence[ModelSpec],
    *,
    engines: Sequence[str] = ("eager", "channels_last", "deployed", "onnxruntime"),
    precisions: Sequence[str] = ("fp32",),
    batches: Sequence[int] = (1, 16),
    rounds: int = 5,
    device: str | torch.device = "cpu",
    memory: bool = False,
) -> list[BenchRow]:
    """Measure networks with random weights, all in turn in each round, so that other load slows all equally.

    Args:
        specs: the networks; ratios are against the first.
        engines: of `ENGINES`.
        precisions: of `PRECISIONS`; onnxruntime is measured in fp32 only.
        batches: images in a run.
        rounds: runs of each, after one to warm up; the median counts.
        device: "cpu", "cuda" or "cuda:N".
        memory: measure memory too, each network in a process of its own (slow).

    Raises:
        ReidError: an unknown engine or precision.
    """
    where = torch.device(device)
    rows: list[BenchRow] = []
    about = [(sum(p.numel() for p in model.parameters()), count_macs(model)) for model in map(build_model, specs)]
    for engine in engines:
        for precision in precisions:
            if engine == "onnxruntime" and precision != "fp32":
                continue
            for batch in batches:
                runs = [runner(build_model(spec).eval(), engine, precision, batch, where) for spec in specs]
                seconds = [statistics.median(times) for times in interleaved(runs, rounds, _clock(where))]
                for spec, (parameters, macs), took in zip(specs, about, seconds, strict=True):
                    rows.append(
                        BenchRow(
                            *(spec.backbone, spec.attention, spec.height, spec.width, parameters, macs),
                            *(engine, precision, batch, batch / took, took / seconds[0]),
                            memory_growth(spec, engine, precision, batch) if memory and where.type == "cpu" else None,
                        )
                    )
    return rows


def _clock(device: torch.device) -> Callable[[], float]:
    """What the time is read from: with one CPU thread its own time, which other programs hardly disturb."""
    return time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter


_CHILD = """
import json, sys
from pathlib import Path
import torch
from relaytrack.reid.bench import runner
from relaytrack.reid.model import ModelSpec, build_model
spec, engine, precision, batch, threads = json.loads(sys.argv[1])
torch.set_num_threads(threads)
model = build_model(ModelSpec.from_dict(spec)).eval()
first = 2 if engine == "training" else 1
runner(build_model(ModelSpec.from_dict(spec)).eval(), engine, precision, first, torch.device("cpu"))()
run = runner(model, engine, precision, batch, torch.device("cpu"))
def status(key):
    return int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1]) / 1024
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew (a child begins with its parent's)
before = status("VmRSS")
run()
print(status("VmHWM") - before)
"""


def memory_growth(spec: ModelSpec, engine: str, precision: str, batch: int) -> float:
    """MiB by which the peak memory of a process of its own grows in a run on the CPU.

    A run of batch 1 (in training, 2) goes before. Freed memory goes back to the system at once there: what the
    allocator keeps for later differs from one run to the next by a tenth. Reads Linux's /proc.

    Raises:
        ReidError: the process fails.
    """
    asked = json.dumps([spec.to_dict(), engine, precision, batch, torch.get_num_threads()])
    returned = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"}
    command = [sys.executable, "-c", _CHILD, asked]
    done = subprocess.run(command, env=os.environ | returned, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReidError(f"measuring memory failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return float(done.stdout.strip().splitlines()[-1])
