"""`relaytrack reid train`."""

from __future__ import annotations

import argparse

from relaytrack.reid.commands.common import add_description
from relaytrack.reid.paths import file_path

HELP = "train a network on a standard data set or on your own people"
EPILOG = """presets (copy one from reid/configs to change more than a few keys):
  debug            minutes on a CPU, to see that data and settings work
  light            MobileNetV2-IBN with RGA-SC, for CPUs (the bundled weights come from `reid guide`)
  light_fine       its last part: from weights of `light` on (model.init=FILE), 256 x 128 pixels, fewer changes
  fast             RGA-SC on ResNet-50 in 9,000 iterations
  rga_sc_resnet50  the same network with the paper's recipe, 27,600 iterations
  pfsa_resnet50    parameter-free spatial attention with six stripes, the authors' recipe

examples:
  relaytrack reid train light --set data.sources.0.name=folder --set data.sources.0.root=my_people
  relaytrack reid train out/reid/config.yaml --resume out/reid/last.pt
  relaytrack reid train fast --set 'data.sources=[{name: market1501, root: /data}, {name: msmt17, root: /data}]'
  relaytrack reid train light --distil retail-0286 --set data.sources.0.root=/data
  torchrun --nproc-per-node 4 -m relaytrack.reid train fast --set data.sources.0.root=/data

Backbones start from torchvision's ImageNet weights, fetched once; without a network name a file with
--set model.init=FILE, or start from nothing with --set model.init=scratch (much more data and time needed).
The run's folder (run.out) gets config.yaml, steps.csv, validation.csv, TensorBoard events, curves.png,
checkpoints and, at the end, weights.safetensors with a threshold calibrated on the held-out identities.
Ctrl-C saves; --resume goes on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """CONFIG, --set, --resume, --name, --licence, --notice."""
    parser.add_argument("config", metavar="CONFIG", help="a preset's name, or a YAML file")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one key, e.g. run.iterations=500"
    )
    parser.add_argument("--resume", type=file_path, metavar="CHECKPOINT", help="go on from a checkpoint")
    parser.add_argument(
        "--distil",
        action="append",
        default=[],
        metavar="TEACHER",
        help="learn from this network, too: ONNX file, weights or a name of `relaytrack reid weights`; may repeat",
    )
    add_description(parser)


def run(args: argparse.Namespace) -> int:
    """Train; 130 when interrupted."""
    import json
    import logging
    import sys

    import yaml

    from relaytrack.reid.outputs import check_folder, write_whole
    from relaytrack.reid.training import distributed
    from relaytrack.reid.training.config_file import load_config
    from relaytrack.reid.training.finish import finish
    from relaytrack.reid.training.start import prepare

    logging.getLogger().setLevel(logging.INFO if distributed.first() else logging.ERROR)
    teachers = [f"distil.teachers={json.dumps(args.distil)}"] if args.distil else []
    config = load_config(args.config, [*teachers, *args.set])
    check_folder(config.run.out)
    try:
        trainer = prepare(config, resume=args.resume)
        if trainer.rank == 0:
            settings = yaml.safe_dump(config.dump(), sort_keys=False)
            write_whole(trainer.out / "config.yaml", settings.encode())
        trainer.run()
        if trainer.rank == 0:
            path = finish(trainer, name=args.name, licence=args.licence, notice=args.notice)
            print(path)
    except KeyboardInterrupt as interruption:
        said = str(interruption)  # with the step of a checkpoint that has been written; empty before the first step
        print(f"relaytrack: {said}; go on with --resume" if said else "relaytrack: interrupted", file=sys.stderr)
        return 130
    finally:
        distributed.stop()
    return 0
