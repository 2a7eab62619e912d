"""`relaytrack reid weights`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relaytrack.reid.catalogue import Entry

HELP = "list the installed weights: licence, size, cost and results"
EPILOG = """examples:
  relaytrack reid weights
  relaytrack reid weights --time --threads 2
  relaytrack run my.yaml --set embedder.weights=retail-0286

M and MMul are millions of parameters and of multiplications per crop. The scores are those of people whom the weights'
training left out, as far as is known; PROVENANCE and MODEL_CARD files beside the weights say more."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--time, --threads, --json."""
    parser.add_argument("--time", action="store_true", help="measure milliseconds per crop here, too (seconds)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of the measurement (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    import dataclasses
    import json

    from relaytrack.reid.catalogue import catalogue, with_times
    from relaytrack.reid.errors import ReidError

    if args.threads is not None and args.threads < 1:
        raise ReidError("--threads must be at least 1")
    entries = catalogue()
    if args.time:
        entries = with_times(entries, threads=args.threads)
    if args.json:
        print(json.dumps([dataclasses.asdict(entry) for entry in entries]))
        return 0
    print(table(entries))
    return 0


def table(entries: list[Entry]) -> str:
    """The entries as text, results below each."""
    timed = any(entry.milliseconds is not None for entry in entries)
    names = [entry.name + (" (default)" if entry.default else "") for entry in entries]
    wide = max((len(name) for name in names), default=4)
    licence = max((len(entry.licence) for entry in entries), default=7)
    head = f"{'name':{wide}s}  {'licence':{licence}s} {'MB':>5s} {'M':>6s} {'MMul':>6s}"
    lines = [head + (" ms/crop" if timed else "")]
    for name, entry in zip(names, entries, strict=True):
        time = "" if entry.milliseconds is None else f" {entry.milliseconds:7.2f}"
        lines.append(
            f"{name:{wide}s}  {entry.licence:{licence}s} {entry.bytes / 1e6:5.1f} {entry.parameters / 1e6:6.2f} "
            f"{entry.multiplications / 1e6:6.0f}{time}"
        )
        lines.append(f"    {entry.file}; trained on {entry.dataset or 'unknown data'}")
        lines += [f"    {people}: rank-1 {rank1:.1%}, mAP {mean_ap:.1%}" for people, rank1, mean_ap in entry.scores]
        if entry.int8_form is not None:
            taken = "taken here" if entry.int8_taken else "not taken here: this CPU is no quicker with it"
            lines.append(f"    8-bit form: {entry.int8_form} ({taken}; embedder.precision: fp32, int8 or auto)")
        if entry.threshold is not None:
            lines.append(f"    the same person from cosine {entry.threshold:.3f} on")
    return "\n".join(lines)
