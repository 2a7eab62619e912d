"""`relaytrack reid train`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "train a network: a YAML file, or a preset (debug, light, fast, rga_sc_resnet50, pfsa_resnet50)"
EPILOG = """examples:
  relaytrack reid train light --set data.sources.0.name=folder --set data.sources.0.root=my_people
  relaytrack reid train out/reid/config.yaml --resume out/reid/last.pt
  torchrun --nproc-per-node 4 -m reid train fast --set data.sources.0.root=/data

The run's folder (run.out) gets config.yaml, steps.csv, validation.csv, TensorBoard events, curves.png,
checkpoints and, at the end, weights.safetensors with a threshold calibrated on the held-out identities.
Ctrl-C saves; --resume goes on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """CONFIG, --set, --resume, --name, --licence, --notice."""
    parser.add_argument("config", help="YAML file or preset")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one key, e.g. run.iterations=500"
    )
    parser.add_argument("--resume", type=Path, metavar="CHECKPOINT", help="go on from a checkpoint")
    parser.add_argument("--name", default="", help="what the weights are called")
    parser.add_argument("--licence", default="", help="licence of the weights, stored in them")
    parser.add_argument("--notice", default="", help="one line that each run with the weights says")


def run(args: argparse.Namespace) -> int:
    """Train; 130 when interrupted."""
    import logging
    import sys

    import yaml

    from reid.training import distributed
    from reid.training.config import load_config
    from reid.training.finish import finish
    from reid.training.start import prepare

    logging.basicConfig(level=logging.INFO, format="relaytrack: %(message)s")
    config = load_config(args.config, args.set)
    try:
        trainer = prepare(config, resume=args.resume)
        if trainer.rank == 0:
            trainer.out.mkdir(parents=True, exist_ok=True)
            (trainer.out / "config.yaml").write_text(yaml.safe_dump(config.dump(), sort_keys=False))
        trainer.run()
        if trainer.rank == 0:
            path = finish(trainer, name=args.name, licence=args.licence, notice=args.notice)
            print(path)
    except KeyboardInterrupt as interruption:
        print(f"relaytrack: {interruption or 'interrupted'}; go on with --resume", file=sys.stderr)
        return 130
    finally:
        distributed.stop()
    return 0
