"""`relaytrack reid adapt`."""

from __future__ import annotations

import argparse

from relaytrack.reid.paths import file_path

HELP = "adapt weights to a site with the crops of finished runs; no identities are needed"
EPILOG = """examples:
  relaytrack reid adapt out/monday out/tuesday --out site.safetensors
  relaytrack run my.yaml --set embedder.weights=site.safetensors

Each RUN is the folder of a finished run (its crops are taken, and more are cut from its recordings where they are
still there), or any folder of pictures of people. The weights learn what a teacher says of these crops. Every eighth
crop is kept out of training: the command prints whether the similarities of people came closer to the teacher's there.
Whether the site's people are told apart better shows only in a run; keep the weights that serve you better. The
same-person threshold is that of the weights at the start; `relaytrack reid calibrate` measures another one on people
with identities."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN..., --out, --teacher, --weights and how long."""
    add = parser.add_argument
    add("runs", type=file_path, nargs="+", metavar="RUN", help="folders of finished runs, or of crops")
    add("--out", type=file_path, required=True, metavar="FILE", help="weights to write (.safetensors)")
    add(
        "--teacher",
        action="append",
        default=[],
        metavar="FILE",
        help="ONNX file, weights or a name of `relaytrack reid weights`; may repeat (default: the best installed)",
    )
    add("--weights", metavar="FILE", help="weights to begin with (default: the default weights)")
    add("--iterations", type=int, default=300, metavar="N", help="training steps (default: 300)")
    add("--batch", type=int, default=32, metavar="N", help="crops in a step (default: 32)")
    add("--rate", type=float, default=1e-4, metavar="X", help="learning rate (default: 1e-4)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    add("--logs", type=file_path, metavar="DIR", help="folder for logs and checkpoints (default: beside --out)")


def run(args: argparse.Namespace) -> int:
    """Adapt and say what changed."""
    import tempfile
    from pathlib import Path

    from relaytrack.reid.errors import ReidError
    from relaytrack.reid.installed import find_weights
    from relaytrack.reid.outputs import check_folder, check_target
    from relaytrack.reid.training.adapting import adapt
    from relaytrack.reid.training.site_crops import crops_of

    if args.out.suffix != ".safetensors":
        raise ReidError(f"--out {args.out}: the name must end in .safetensors")
    if args.iterations < 1 or args.batch < 2 or not 0 < args.rate < 1:
        raise ReidError("--iterations must be at least 1, --batch at least 2, and --rate between 0 and 1")
    for name in [args.weights, *args.teacher]:
        find_weights(name)
    logs = args.logs or args.out.with_suffix(".training")
    check_target(args.out, inputs=(args.weights, *args.teacher))
    check_folder(logs)
    with tempfile.TemporaryDirectory(prefix="relaytrack-crops-") as scratch:
        report = adapt(
            crops_of(args.runs, Path(scratch)),
            args.out,
            start=args.weights,
            teachers=args.teacher,
            iterations=args.iterations,
            batch=args.batch,
            rate=args.rate,
            device=args.device,
            folder=logs,
        )
    verdict = "closer to the teacher" if report.better else "NOT closer to the teacher: keep the weights that you had"
    print(
        f"{report.path}: {report.crops} crops; on {report.held} others 1 - cosine {report.before[0]:.4f} -> "
        f"{report.after[0]:.4f}, divergence of similarities {report.before[1]:.4f} -> {report.after[1]:.4f}: {verdict}"
    )
    return 0
