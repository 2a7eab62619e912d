"""Arguments that several sub-commands share."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from relaytrack.reid.paths import file_path

if TYPE_CHECKING:
    from relaytrack.reid.embedder import Embedder


def add_weights(parser: argparse.ArgumentParser) -> None:
    """--weights, --device, --batch, --flip."""
    parser.add_argument(
        "--weights",
        type=file_path,
        metavar="FILE",
        help="weights, ONNX file or a name of `relaytrack reid weights` (default: the default weights)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="crops per run of the network (default: 32)")
    parser.add_argument("--flip", action="store_true", help="average with the mirrored crop's embedding")


def add_description(parser: argparse.ArgumentParser) -> None:
    """--name, --licence, --notice: what is stored with the weights."""
    parser.add_argument("--name", default="", metavar="TEXT", help="what the weights are called")
    parser.add_argument("--licence", default="", metavar="TEXT", help="licence of the weights, stored in them")
    parser.add_argument("--notice", default="", metavar="TEXT", help="a line that every run with these weights prints")


def embedder_of(args: argparse.Namespace) -> Embedder:
    """The embedder that the arguments name; says the weights' licence in one line."""
    from relaytrack.reid.embedder import Embedder

    made = Embedder(args.weights, args.device, args.batch, args.flip)
    if made.info.notice:
        print(f"relaytrack: {made.info.notice}", file=sys.stderr)
    return made
