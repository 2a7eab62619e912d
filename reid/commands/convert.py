"""`relaytrack reid import`."""

from __future__ import annotations

import argparse

from relaytrack.reid.paths import file_path

HELP = "convert other people's networks to weights of ours"
EPILOG = """examples:
  relaytrack reid import checkpoint_600.pth.tar out/rga_sc.safetensors
  relaytrack reid import network.onnx out/network_half.onnx --half --licence Apache-2.0

SOURCE is a checkpoint of the papers' released code (to .safetensors) or an ONNX network (to .onnx): input
(B, 3, H, W), RGB, ImageNet-normalised, output (B, D). Nothing in a file is executed. `relaytrack reid calibrate`
measures the same-person threshold afterwards."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, TARGET, --half and what to say about the weights."""
    parser.add_argument("source", type=file_path, metavar="SOURCE", help="the file to convert")
    parser.add_argument("target", type=file_path, metavar="TARGET", help="weights to write (.safetensors or .onnx)")
    parser.add_argument("--half", action="store_true", help="store matrices as float16")
    parser.add_argument("--name", default="", metavar="TEXT", help="what the weights are called")
    parser.add_argument("--dataset", default="", metavar="TEXT", help="what they were trained on")
    parser.add_argument("--licence", default="", metavar="TEXT", help="their licence, stored in them")
    parser.add_argument("--notice", default="", metavar="TEXT", help="one line that each run with the weights says")


def run(args: argparse.Namespace) -> int:
    """Convert and say what it is."""
    from relaytrack.reid.checkpoint import WeightsInfo
    from relaytrack.reid.errors import ReidError
    from relaytrack.reid.outputs import check_target

    info = WeightsInfo(name=args.name, dataset=args.dataset, licence=args.licence, notice=args.notice)
    wanted = ".onnx" if args.source.suffix == ".onnx" else ".safetensors"
    check_target(args.target)
    if args.target.suffix != wanted:
        raise ReidError(f"{args.target}: the target must end in {wanted} for such a source")
    if wanted == ".onnx":
        from relaytrack.reid.importer import import_network

        print(import_network(args.source, args.target, info=info, half=args.half).describe())
        return 0
    from relaytrack.reid.importer import import_checkpoint

    report = import_checkpoint(args.source, args.target, info=info, half=args.half)
    print(
        f"{report.path}: {report.spec.backbone}, attention {report.spec.attention}, "
        f"{report.spec.height} x {report.spec.width}, {report.classes} classes"
    )
    return 0
