"""`relaytrack reid average`."""

from __future__ import annotations

import argparse

from relaytrack.reid.commands.common import add_description
from relaytrack.reid.paths import file_path

HELP = "average weights of several checkpoints into one file"
EPILOG = """example:
  relaytrack reid average out/first/last.pt out/second/best.pt out/second/last.pt --out out/mean.safetensors \\
    --dataset market1501 --root DIR

For checkpoints of one run, or of runs that went on from each other. With --root the neck's batch-norm statistics are
measured anew on the training images, and the same-person threshold on the held-out identities; without it the file
has no threshold (`relaytrack reid calibrate`)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE..., --out, --dataset, --root and what to say about the weights."""
    parser.add_argument(
        "sources",
        type=file_path,
        nargs="+",
        metavar="SOURCE",
        help="training checkpoints (.pt) or weights (.safetensors)",
    )
    parser.add_argument("--out", type=file_path, required=True, metavar="FILE", help="weights to write (.safetensors)")
    add_description(parser)
    parser.add_argument("--dataset", default="", metavar="NAME", help="data set that they were trained on")
    parser.add_argument("--root", type=file_path, metavar="DIR", help="its folder: centre the embedding and calibrate")


def run(args: argparse.Namespace) -> int:
    """Average, measure what can be, write, and say what it is."""
    from relaytrack.reid.averaging import average_networks, load_any
    from relaytrack.reid.checkpoint import WeightsInfo, save_model
    from relaytrack.reid.datasets.base import Split
    from relaytrack.reid.datasets.factory import hold_out, load_train
    from relaytrack.reid.datasets.images import ImageCache
    from relaytrack.reid.errors import ReidOutputError
    from relaytrack.reid.outputs import check_target
    from relaytrack.reid.training.finish import calibrated
    from relaytrack.reid.training.held_out import usable
    from relaytrack.reid.training.statistics import with_measured_statistics

    if args.out.suffix != ".safetensors":
        raise ReidOutputError(f"--out {args.out}: the name must end in .safetensors")
    check_target(args.out, like=args.sources[0], inputs=args.sources)
    model = average_networks([load_any(source) for source in args.sources])
    held: Split | None = None
    if args.root is not None:
        train, held = hold_out(args.dataset, load_train(args.dataset, args.root))
        held = usable(held)
        cache = ImageCache(train.paths, model.spec.height, model.spec.width)
        model = with_measured_statistics(model, cache, precision="fp32", neck_only=True)
    recipe = "mean of " + ", ".join(source.name for source in args.sources)
    info = WeightsInfo(name=args.name, dataset=args.dataset, licence=args.licence, notice=args.notice, recipe=recipe)
    if held is not None:
        info = calibrated(model, info, held)
    path = save_model(args.out, model, info, half=True)
    spec = model.spec
    print(f"{path}: {spec.backbone}, attention {spec.attention}, {spec.height} x {spec.width}, {recipe}")
    return 0
