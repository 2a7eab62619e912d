"""`relaytrack reid calibrate`."""

from __future__ import annotations

import argparse

from relaytrack.reid.paths import file_path

HELP = "measure the same-person threshold of weights and store it with them"
EPILOG = """examples:
  relaytrack reid calibrate out/reid/weights.safetensors --dataset folder --root my_people
  relaytrack reid calibrate network.onnx --dataset market1501 --root A --dataset cuhk03_part --root B

Takes people that the weights have not learned, seen by at least two cameras: the held-out identities of the data
set's training split, or with --all every identity of it. Several data sets weigh the same, and the error rates of
each at the common threshold are stored, too. Training does this by itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """WEIGHTS, --dataset, --root, --all, --out."""
    parser.add_argument("weights", type=file_path, metavar="WEIGHTS", help="weights (.safetensors or .onnx)")
    parser.add_argument(
        "--dataset",
        action="append",
        metavar="NAME",
        help="data set (default: folder; see relaytrack reid --help); may repeat, with a --root each",
    )
    parser.add_argument(
        "--root", type=file_path, action="append", required=True, metavar="DIR", help="its folder (for csv: the file)"
    )
    parser.add_argument("--all", action="store_true", help="all training identities, not only the held-out ones")
    parser.add_argument("--out", type=file_path, metavar="FILE", help="file to write (default: WEIGHTS itself)")


def run(args: argparse.Namespace) -> int:
    """Measure, store, print."""
    from relaytrack.reid.calibrating import recalibrate
    from relaytrack.reid.datasets.factory import hold_out, load_train
    from relaytrack.reid.errors import ReidError
    from relaytrack.reid.outputs import check_target

    names: list[str] = args.dataset or ["folder"]
    if len(names) != len(args.root):
        raise ReidError(
            f"{len(names)} times --dataset but {len(args.root)} times --root: give one --root for each --dataset"
        )
    if len(set(names)) < len(names):
        raise ReidError("--dataset names one data set twice")
    if args.weights.suffix not in (".safetensors", ".onnx"):
        raise ReidError(
            f"{args.weights}: the threshold is stored in .safetensors or .onnx; make such a file of a training "
            "checkpoint with `relaytrack reid export`"
        )
    target = args.out or args.weights
    if target.suffix != args.weights.suffix:
        raise ReidError(f"--out {target}: it must end in {args.weights.suffix}, as the weights do")
    check_target(target, like=args.weights)
    parts = {}
    for name, root in zip(names, args.root, strict=True):
        train = load_train(name, root)
        parts[name] = train if args.all else hold_out(name, train)[1]
    info = recalibrate(args.weights, parts, target)
    point = (info.threshold or 0.0, info.false_accept or 0.0, info.false_reject or 0.0)
    print(
        f"cosine >= {point[0]:.4f}: false accepts {point[1]:.3%}, false rejects {point[2]:.3%}; "
        "for 0.1 % false accepts: "
        f"{info.results['calibration/strict_threshold']:.4f}, "
        f"false rejects {info.results['calibration/strict_false_reject']:.3%}"
    )
    for name in parts if len(parts) > 1 else ():
        rates = [info.results[f"calibration/{name}/{key}"] for key in ("false_accept", "false_reject")]
        scores = [info.results[f"validation/{name}/{key}"] for key in ("rank1", "mean_ap")]
        print(
            f"{name}: false accepts {rates[0]:.3%}, false rejects {rates[1]:.3%}; rank-1 {scores[0]:.2%}, "
            f"mAP {scores[1]:.2%}"
        )
    return 0
