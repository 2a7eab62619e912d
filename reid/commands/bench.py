"""`relaytrack reid bench`."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from relaytrack.reid.paths import file_path, plain_path

if TYPE_CHECKING:
    from relaytrack.reid.bench import BenchRow

HELP = "measure backbones x attentions: parameters, multiplications, images per second, memory"
EPILOG = """examples:
  relaytrack reid bench --backbones resnet50 --attentions none,rga_sc --batches 8
  relaytrack reid bench --backbones mobilenet_v2_ibn,osnet_x0_25 --attentions none,rga_sc,pfsa --json
  relaytrack reid bench --embedders default,out/reid/weights.safetensors --batches 16 --threads 2 --rounds 40

Networks have random weights; the engine "training" is a forward and a backward pass as `reid train` runs them. The
networks of a group run in turn, so that other programs disturb all of them alike. With --threads 1 CPU time is taken,
which other programs hardly disturb. Ratios are against the first network. --accuracies takes a JSON object
{"backbone/attention": percent} and draws speed against it.

--embedders measures weights instead, as the pipeline uses them: milliseconds per crop by the clock, resizing
included."""

_PICTURES = (".png", ".jpg", ".svg", ".pdf")
BACKBONES = (
    "resnet50",
    "resnet50_ibn_a",
    "osnet_x1_0",
    "osnet_x0_75",
    "osnet_x0_5",
    "osnet_x0_25",
    "osnet_in_x1_0",
    "osnet_in_x0_75",
    "osnet_in_x0_5",
    "osnet_in_x0_25",
    "mobilenet_v2",
    "mobilenet_v2_ibn",
)
ATTENTIONS = ("none", "rga_s", "rga_c", "rga_sc", "pfsa", "pfsa_softmax")
ENGINES = "eager,channels_last,deployed,onnxruntime"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure and how."""
    add = parser.add_argument
    add("--backbones", default="mobilenet_v2_ibn", metavar="LIST", help=f"of {', '.join(BACKBONES)}")
    add(
        "--attentions", default="none,rga_sc", metavar="LIST", help=f"of {', '.join(ATTENTIONS)} (default: none,rga_sc)"
    )
    add("--embedders", default="", metavar="LIST", help="weight files, or default (the bundled ones): time per crop")
    add("--stages", default="", metavar="LIST", help="stages with attention, such as 3,4 (default: all)")
    add("--size", default="256x128", metavar="HxW", help="height x width of the input, pixels (default: 256x128)")
    add("--engines", default=ENGINES, metavar="LIST", help=f"of {ENGINES},compile,training (default: the first four)")
    add("--precisions", default="fp32", metavar="LIST", help="of fp32, bf16, fp16; onnxruntime runs fp32 only")
    add("--batches", default="1,16", metavar="LIST", help="images in a run (default: 1,16)")
    add("--rounds", type=int, default=5, metavar="N", help="timed runs of each (default: 5)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: torch's)")
    add("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    add("--memory", action="store_true", help="peak memory too, each in a process of its own")
    add("--accuracies", type=file_path, metavar="FILE", help="JSON file of known accuracies, for the picture")
    add("--plot", type=file_path, metavar="FILE", help="picture (default: out/pareto.png)")
    add("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    import dataclasses
    import json

    import torch

    from relaytrack.reid.bench import bench
    from relaytrack.reid.device import torch_device
    from relaytrack.reid.errors import ReidError
    from relaytrack.reid.model import ModelSpec
    from relaytrack.reid.outputs import check_target

    try:
        height, width = (int(side) for side in args.size.lower().split("x"))
        batches = [int(batch) for batch in args.batches.split(",")]
        stages = tuple(int(stage) for stage in args.stages.split(",")) if args.stages else (1, 2, 3, 4)
    except ValueError as error:
        raise ReidError(f"--size is HEIGHTxWIDTH, --batches and --stages are numbers: {error}") from error
    if args.rounds < 1 or min(batches) < 1:
        raise ReidError("--rounds and --batches must be at least 1")
    if args.plot and not args.accuracies:
        raise ReidError("--plot draws speed against accuracy: give --accuracies too")
    if args.accuracies:
        args.plot = args.plot or Path("out/pareto.png")
        if importlib.util.find_spec("matplotlib") is None:
            raise ReidError("--accuracies draws with matplotlib: pip install 'relaytrack[train]'")
        if args.plot.suffix not in _PICTURES:
            raise ReidError(f"--plot {args.plot}: the name must end in {', '.join(_PICTURES)}")
        check_target(args.plot, inputs=(args.accuracies,))
        _accuracies(args.accuracies)  # hours before they are drawn
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.embedders:
        return _embedders(args, batches)
    specs = [
        ModelSpec(backbone=backbone, attention=attention, attention_stages=stages, height=height, width=width)
        for backbone in args.backbones.split(",")
        for attention in args.attentions.split(",")
    ]
    rows = bench(
        specs,
        engines=args.engines.split(","),
        precisions=args.precisions.split(","),
        batches=batches,
        rounds=args.rounds,
        device=str(torch_device(args.device)),
        memory=args.memory,
    )
    print(json.dumps([dataclasses.asdict(row) for row in rows]) if args.json else table(rows))
    if args.accuracies:
        _plot(rows, args.accuracies, args.plot)
    return 0


def _embedders(args: argparse.Namespace, batches: list[int]) -> int:
    """Measure weights and print."""
    import dataclasses
    import json

    from relaytrack.reid.embedder import Embedder
    from relaytrack.reid.latency import measure_latency

    files = [None if name == "default" else plain_path(name) for name in args.embedders.split(",")]
    embedders = [Embedder(file, args.device, max(batches), threads=args.threads) for file in files]
    rows = measure_latency(embedders, batches=batches, rounds=args.rounds)
    if args.json:
        print(json.dumps([dataclasses.asdict(row) for row in rows]))
        return 0
    print(f"{'weights':40s} {'input':>9s}  {'provider':17s} {'batch':>5s} {'ms/crop':>8s} {'90th %':>7s}")
    for row in rows:
        size = f"{row.height} x {row.width}"
        print(f"{row.weights:40s} {size:>9s}  {row.provider:17s} {row.batch:5d} {row.median:8.2f} {row.p90:7.2f}")
    return 0


def table(rows: list[BenchRow]) -> str:
    """The rows as text."""
    head = f"{'network':28s} {'params':>7s} {'MACs':>8s}  {'engine':13s} {'type':5s} {'batch':>5s}"
    head += f" {'images/s':>9s} {'ratio':>6s}"
    lines = [head + ("     MiB" if any(row.memory_mib is not None for row in rows) else "")]
    for row in rows:
        memory = "" if row.memory_mib is None else f" {row.memory_mib:7.0f}"
        lines.append(
            f"{row.backbone + ' ' + row.attention:28s} {row.parameters / 1e6:6.2f}M {row.macs / 1e6:7.0f}M  "
            f"{row.engine:13s} {row.precision:5s} {row.batch:5d} {row.images_per_second:9.1f} {row.ratio:6.2f}{memory}"
        )
    return "\n".join(lines)


def _accuracies(file: Path) -> dict[str, float]:
    """Accuracies by BACKBONE/ATTENTION.

    Raises:
        ReidError: the file is not there or holds something else.
    """
    import json

    from relaytrack.reid.errors import ReidError

    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))
        return {str(name): float(value) for name, value in values.items()}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ReidError(f"{file} is not a JSON object of accuracies: {error}") from error


def _plot(rows: list[BenchRow], accuracies: Path, target: Path) -> None:
    """Accuracy against the fastest time of each network; the line joins those that nothing beats in both."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from relaytrack.reid.errors import ReidError
    from relaytrack.reid.outputs import writing

    known = _accuracies(accuracies)
    best: dict[str, float] = {}
    for row in rows:
        name = f"{row.backbone}/{row.attention}"
        if name in known:
            best[name] = min(best.get(name, float("inf")), 1e3 / row.images_per_second)
    if not best:
        raise ReidError(
            f"{accuracies} names none of the measured networks, such as {rows[0].backbone}/{rows[0].attention}"
        )
    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    middle = (min(best.values()) + max(best.values())) / 2
    for name, milliseconds in best.items():
        axes.scatter(milliseconds, known[name], zorder=2)
        left = milliseconds > middle  # away from the rim of the picture
        axes.annotate(
            name,
            (milliseconds, known[name]),
            xytext=(-6 if left else 6, 3),
            ha="right" if left else "left",
            textcoords="offset points",
            fontsize=8,
        )
    front = [
        (milliseconds, known[name])
        for name, milliseconds in sorted(best.items(), key=lambda item: item[1])
        if all(known[name] > known[other] or milliseconds <= best[other] for other in best if other != name)
    ]
    axes.step(*zip(*front, (max(best.values()), front[-1][1]), strict=True), where="post", color="0.6", zorder=1)
    axes.grid(alpha=0.3)
    axes.margins(0.08)
    axes.set_xlabel("ms per image")
    axes.set_ylabel("accuracy, %")
    with writing(target):
        figure.savefig(target, dpi=110)
    print(target)
