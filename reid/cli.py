"""`relaytrack reid`: train, evaluate, measure and export re-identification networks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="relaytrack reid")
    parser.add_argument("command")
    parser.add_argument("config")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--resume")
    args = parser.parse_args(argv)
    from reid.training.config import load_config
    from reid.training.start import prepare

    prepare(load_config(args.config, args.set), resume=args.resume).run()
    return 0
