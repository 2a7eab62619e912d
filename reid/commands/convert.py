"""`relaytrack reid import`."""

from __future__ import annotations

import argparse

from relaytrack.reid.commands.common import add_description
from relaytrack.reid.paths import file_path

HELP = "convert networks of other projects to weights for RelayTrack"
EPILOG = """examples:
  relaytrack reid import checkpoint_600.pth.tar out/rga_sc.safetensors
  relaytrack reid import osnet_x1_0_msmt17.pth out/osnet.safetensors
  relaytrack reid import person-reidentification-retail-0277.xml out/retail_0277.onnx --half --licence Apache-2.0
  relaytrack reid import network.onnx out/network_half.onnx --half

SOURCE is a checkpoint of the papers' released code or of torchreid's OSNet (to .safetensors), an OpenVINO network
(.xml with its .bin beside it, to .onnx) or an ONNX network (to .onnx): input (B, 3, H, W), RGB, ImageNet-normalised,
output (B, D). Nothing in a file is executed. `relaytrack reid calibrate` measures the same-person threshold
afterwards."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, TARGET, --half, --input and what to say about the weights."""
    parser.add_argument("source", type=file_path, metavar="SOURCE", help="the file to convert")
    parser.add_argument("target", type=file_path, metavar="TARGET", help="weights to write (.safetensors or .onnx)")
    parser.add_argument("--half", action="store_true", help="store matrices as float16")
    parser.add_argument(
        "--input",
        choices=("bgr255", "rgb255", "normalised"),
        default="bgr255",
        help="what an OpenVINO network wants: BGR or RGB of 0 to 255, or ImageNet-normalised RGB (default: bgr255)",
    )
    add_description(parser)
    parser.add_argument("--dataset", default="", metavar="TEXT", help="what they were trained on")


def run(args: argparse.Namespace) -> int:
    """Convert and say what it is."""
    from relaytrack.reid.checkpoint import WeightsInfo
    from relaytrack.reid.errors import ReidError
    from relaytrack.reid.outputs import check_target

    info = WeightsInfo(name=args.name, dataset=args.dataset, licence=args.licence, notice=args.notice)
    wanted = ".onnx" if args.source.suffix in (".onnx", ".xml") else ".safetensors"
    check_target(args.target, inputs=(args.source,))
    if args.target.suffix != wanted:
        raise ReidError(f"{args.target}: the name must end in {wanted} for this source")
    if wanted == ".onnx":
        from relaytrack.reid.importer import import_network

        print(import_network(args.source, args.target, info=info, half=args.half, colours=args.input).describe())
        return 0
    from relaytrack.reid.importer import import_checkpoint

    report = import_checkpoint(args.source, args.target, info=info, half=args.half)
    print(
        f"{report.path}: {report.spec.backbone}, attention {report.spec.attention}, "
        f"{report.spec.height} x {report.spec.width}, {report.classes} classes"
    )
    return 0
