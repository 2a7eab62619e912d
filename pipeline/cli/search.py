"""`relaytrack search`: find the person in a picture in a finished run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relaytrack.reid.paths import plain_path

HELP = "find the person in a picture in all cameras of a finished run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack search`."""
    parser.add_argument(
        "--run",
        type=plain_path,
        metavar="DIR|URL",
        required=True,
        dest="folder",
        help="the run's output folder, or where it lies at a shared place (cluster.share)",
    )
    parser.add_argument(
        "--image", type=plain_path, metavar="FILE", required=True, help="a picture that one person fills"
    )
    parser.add_argument("--top", type=int, default=10, metavar="N", help="matches at the most (default: 10)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--sheet", type=plain_path, metavar="FILE", help="also write a contact sheet, .png or .jpg")
    parser.add_argument(
        "--weights", type=plain_path, metavar="FILE", help="the run's network, if it is no longer where it was"
    )
    parser.add_argument("--device", default="cpu", metavar="cpu|cuda[:i]", help="where the network runs")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.errors import InputError
    from relaytrack.pipeline.postprocess.search import (
        as_table,
        check_sheet,
        contact_sheet,
        read_picture,
        search,
        write_sheet,
    )
    from relaytrack.pipeline.results.run_data import load_run
    from relaytrack.pipeline.share.shared_run import run_folder
    from relaytrack.reid import Embedder

    if args.top < 1:
        raise InputError("--top: at least 1")
    if args.sheet:
        check_sheet(Path(args.sheet), Path(args.image))
    picture = read_picture(Path(args.image))
    with run_folder(args.folder, videos=False) as folder:
        data = load_run(folder)
        matches = search(folder, picture, Embedder(args.weights or _weights_of(data.run), args.device), top=args.top)
        if args.sheet:
            write_sheet(Path(args.sheet), contact_sheet(folder, picture, matches))
    if args.json:
        print(json.dumps([match.as_dict() for match in matches], indent=1))
    else:
        print("\n".join(as_table(data, matches)))
    return 0


def _weights_of(run: Mapping[str, Any]) -> str | None:
    """The weights with which a run made its embeddings, as its run.json says; None for the default ones."""
    config, networks = run.get("config"), run.get("networks")
    named = config.get("embedder") if isinstance(config, dict) else None
    used = networks.get("embedder") if isinstance(networks, dict) else None
    if isinstance(used, dict) and used.get("precision") == "int8" and Path(str(used.get("weights"))).is_file():
        return str(used["weights"])
    weights = named.get("weights") if isinstance(named, dict) else None
    return None if weights is None else str(weights)
