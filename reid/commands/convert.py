"""`relaytrack reid import`."""

from __future__ import annotations

import argparse

from relaytrack.reid.paths import file_path

HELP = "convert a checkpoint of the papers' released code to weights of ours"
EPILOG = """example:
  relaytrack reid import checkpoint_600.pth.tar out/rga_sc.safetensors"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, TARGET, --half and what to say about the weights."""
    parser.add_argument(
        "source", type=file_path, metavar="SOURCE", help="the reference checkpoint (nothing in it is executed)"
    )
    parser.add_argument("target", type=file_path, metavar="TARGET", help="weights to write (.safetensors)")
    parser.add_argument("--half", action="store_true", help="store matrices as float16")
    parser.add_argument("--name", default="", metavar="TEXT", help="what the weights are called")
    parser.add_argument("--dataset", default="", metavar="TEXT", help="what they were trained on")
    parser.add_argument("--licence", default="", metavar="TEXT", help="their licence, stored in them")


def run(args: argparse.Namespace) -> int:
    """Convert and say what it is."""
    from relaytrack.reid.checkpoint import WeightsInfo
    from relaytrack.reid.importer import import_checkpoint
    from relaytrack.reid.outputs import check_target

    check_target(args.target)
    info = WeightsInfo(name=args.name, dataset=args.dataset, licence=args.licence)
    report = import_checkpoint(args.source, args.target, info=info, half=args.half)
    print(
        f"{report.path}: {report.spec.backbone}, attention {report.spec.attention}, "
        f"{report.spec.height} x {report.spec.width}, {report.classes} classes"
    )
    return 0
