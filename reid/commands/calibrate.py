"""`relaytrack reid calibrate`."""

from __future__ import annotations

import argparse

from relaytrack.reid.paths import file_path

HELP = "measure the same-person threshold of weights and store it with them"
EPILOG = """example:
  relaytrack reid calibrate out/reid/weights.safetensors --dataset folder --root my_people

Takes people that the weights have not learned, seen by at least two cameras: the held-out identities of the data
set's training split, or with --all every identity of it. Training does this by itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """WEIGHTS, --dataset, --root, --all, --out."""
    parser.add_argument("weights", type=file_path, metavar="WEIGHTS", help="weights (.safetensors)")
    parser.add_argument(
        "--dataset", default="folder", metavar="NAME", help="data set (default: folder; see relaytrack reid --help)"
    )
    parser.add_argument("--root", type=file_path, required=True, metavar="DIR", help="its folder (for csv: the file)")
    parser.add_argument("--all", action="store_true", help="all training identities, not only the held-out ones")
    parser.add_argument("--out", type=file_path, metavar="FILE", help="file to write (default: WEIGHTS itself)")


def run(args: argparse.Namespace) -> int:
    """Measure, store, print."""
    from relaytrack.reid.datasets.factory import hold_out, load_dataset
    from relaytrack.reid.outputs import check_target
    from relaytrack.reid.training.finish import recalibrate

    check_target(args.out or args.weights)
    train = load_dataset(args.dataset, args.root).train
    split = train if args.all else hold_out(args.dataset, train)[1]
    info = recalibrate(args.weights, split, args.out or args.weights, name="validation")
    point = (info.threshold or 0.0, info.false_accept or 0.0, info.false_reject or 0.0)
    print(
        f"cosine >= {point[0]:.4f}: false accepts {point[1]:.3%}, false rejects {point[2]:.3%}; "
        "for 0.1 % false accepts: "
        f"{info.results['calibration/strict_threshold']:.4f}, "
        f"false rejects {info.results['calibration/strict_false_reject']:.3%}"
    )
    return 0
