"""`relaytrack reid export`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from relaytrack.reid.commands.common import add_description
from relaytrack.reid.paths import file_path

if TYPE_CHECKING:
    from relaytrack.reid.checkpoint import WeightsInfo
    from relaytrack.reid.model import ReidModel

HELP = "convert weights to ONNX, or a training checkpoint to weights"
EPILOG = """examples:
  relaytrack reid export out/reid/weights.safetensors out/reid/network.onnx
  relaytrack reid export out/reid/weights.safetensors out/reid/int8.onnx --int8 --crops my_people
  relaytrack reid export out/reid/last.pt out/reid/early.safetensors --half
  relaytrack reid export out/reid/last.pt out/reid/early.onnx

The ONNX file takes any batch and is compared with torch (at most 1e-4 apart); the pipeline can use it
instead of weights. With --int8 it computes with 8-bit integers: quicker on CPUs with VNNI, and a little less exact;
measure both with `relaytrack reid eval` and `relaytrack reid bench --embedders`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """SOURCE, TARGET, --half and what to say about the weights."""
    parser.add_argument(
        "source", type=file_path, metavar="SOURCE", help="weights (.safetensors) or training checkpoint (.pt)"
    )
    parser.add_argument(
        "target", type=file_path, metavar="TARGET", help=".onnx, or .safetensors for a training checkpoint"
    )
    parser.add_argument("--int8", action="store_true", help="8-bit integers (.onnx); needs --crops")
    parser.add_argument(
        "--crops",
        type=file_path,
        metavar="DIR",
        help="crops of people to measure the maps' ranges on for --int8",
    )
    parser.add_argument("--half", action="store_true", help="store matrices as float16 (.safetensors)")
    parser.add_argument(
        "--keep-norms",
        action="store_true",
        help="of a checkpoint of `reid train`: leave its batch-norm statistics instead of measuring them on its "
        "training images",
    )
    add_description(parser)


def run(args: argparse.Namespace) -> int:
    """Convert and say what came out."""
    from relaytrack.reid.errors import ReidError

    if args.int8 and args.target.suffix != ".onnx":
        raise ReidError(f"{args.target}: with --int8 the name must end in .onnx")
    if args.int8 and args.crops is None:
        raise ReidError(
            "--int8 needs --crops DIR, a folder of crops of people: the ranges of values are measured on them"
        )
    if args.target.suffix not in (".onnx", ".safetensors"):
        raise ReidError(f"{args.target}: the name must end in .onnx or .safetensors")
    from relaytrack.reid.outputs import check_target

    check_target(args.target, inputs=(args.source, args.crops))
    if args.target.suffix == ".onnx":
        model, info = _network(args)
        return _export_int8(args, model, info) if args.int8 else _export_onnx(args, model, info)
    from relaytrack.reid.checkpoint import save_model

    model, info, step = _trained(args)
    print(f"{save_model(args.target, model, info, half=args.half)}: iteration {step}")
    return 0


def _network(args: argparse.Namespace) -> tuple[ReidModel, WeightsInfo]:
    """The network of weights, or of a training checkpoint, and what is said of it."""
    from relaytrack.reid.checkpoint import load_info, load_model

    if args.source.suffix == ".safetensors":
        return load_model(args.source), load_info(args.source)
    model, info, _ = _trained(args)
    return model, info


def _trained(args: argparse.Namespace) -> tuple[ReidModel, WeightsInfo, int]:
    """The network of a training checkpoint with measured batch-norm statistics, what is said of it, and its step."""
    from relaytrack.reid.checkpoint import WeightsInfo
    from relaytrack.reid.training.batches import make_cache
    from relaytrack.reid.training.finish import read_checkpoint
    from relaytrack.reid.training.start import splits
    from relaytrack.reid.training.statistics import measured_as_configured

    model, config, step = read_checkpoint(args.source)
    if config is not None and not args.keep_norms:
        train, _ = splits(config)
        model = measured_as_configured(model, make_cache(config, train), config.run)
    info = WeightsInfo(
        name=args.name,
        dataset=" + ".join(source.name for source in config.data.sources) if config is not None else "",
        licence=args.licence,
        notice=args.notice,
        recipe=f"checkpoint of iteration {step}",
    )
    return model, info, step


def _export_onnx(args: argparse.Namespace, model: ReidModel, info: WeightsInfo) -> int:
    """Export in single precision and say how close it is to torch."""
    from relaytrack.reid.export import export_network

    report = export_network(model, info, args.target)
    print(f"{report.path}: {report.size:,} bytes, at most {report.difference:.1e} from torch")
    return 0


def _export_int8(args: argparse.Namespace, model: ReidModel, info: WeightsInfo) -> int:
    """Export with 8-bit integers and say how alike both forms see the crops."""
    from relaytrack.reid.export import to_onnx
    from relaytrack.reid.guided.pictures import crops_without_ids
    from relaytrack.reid.outputs import write_whole
    from relaytrack.reid.quantise import mean_cosine, normalised_crops, quantised

    images = normalised_crops(crops_without_ids(args.crops).paths, model.spec.height, model.spec.width)
    exact = to_onnx(model, info)
    small = quantised(exact, images)
    write_whole(args.target, small)
    print(f"{args.target}: {len(small):,} bytes, mean cosine {mean_cosine(exact, small, images):.4f} to the exact form")
    return 0
