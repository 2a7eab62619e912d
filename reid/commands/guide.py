"""`relaytrack reid guide`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaytrack.reid.paths import file_path

if TYPE_CHECKING:
    from relaytrack.reid.guided.pictures import PictureSource

HELP = "train a light network with teachers, all pictures in the memory of one device"
EPILOG = """example, the shipped default weights (nine minutes on a large GPU):
  relaytrack reid guide --source market1501=DIR --source cuhk03_part=DIR --crops DIR \\
    --teacher retail_0286.onnx --teacher retail_0277.onnx \\
    --draw market1501=0.8 --draw cuhk03_part=1.2 --draw crops=2 --minutes 9.2 --out out/guided

The network begins with the first teacher's tensors and learns to see in a bad picture what the teachers see in a good
one; where ids are known it learns them too. The held-out people of each source are scored now and then. A crop takes
98 kB of memory. `relaytrack reid calibrate` gives the weights their threshold.

What each part brings is seen by leaving it out: --people 0 uses no ids, --loss regression=0 --loss relation=0 no
teacher, --init scratch inherits nothing, and without --crops there are no pictures without ids.

OUT/last.pt is a checkpoint, written every few minutes, by Ctrl-C and by SIGTERM: the same command with --resume goes
on from it. On a CPU, --known 0.75 lets three quarters of each batch learn from answers of the teachers that are
computed once and kept in OUT: several times faster."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--source, --crops, --teacher, --size, --draw and the recipe."""
    add = parser.add_argument
    add("--source", action="append", default=[], metavar="NAME=DIR", help="a data set with ids; may repeat")
    add(
        "--crops", type=file_path, metavar="DIR", help="a folder of person crops without ids, folders below it included"
    )
    add(
        "--draw",
        action="append",
        default=[],
        metavar="NAME=W",
        help="how often an image of a source is drawn, beside those of others (default: 1)",
    )
    add(
        "--teacher",
        action="append",
        required=True,
        metavar="FILE",
        help="a person-reidentification-retail network: an ONNX file or a name of installed weights; may repeat, one "
        "part of the embedding each",
    )
    add("--size", default="192x96", metavar="HxW", help="input of the network in pixels (default: 192x96)")
    add("--init", type=file_path, metavar="FILE", help="weights of the same network to go on from, or scratch")
    add("--minutes", type=float, default=9.0, metavar="M", help="minutes in all (default: 9)")
    add("--steps", type=int, metavar="N", help="steps in all, in place of --minutes")
    add("--batch", type=int, default=384, metavar="N", help="pictures per step (default: 384)")
    add("--people", type=int, default=48, metavar="N", help="people per step with four pictures each (default: 48)")
    add("--lr", type=float, default=6e-4, metavar="RATE", help="learning rate (default: 6e-4)")
    add("--warmup", type=int, default=100, metavar="N", help="steps until that rate is reached (default: 100)")
    add(
        "--average",
        type=float,
        default=0.998,
        metavar="D",
        help="share of the averaged weights that each step keeps; less for few steps (default: 0.998)",
    )
    add("--loss", action="append", default=[], metavar="TERM=W", help="weight of a term of the loss; 0 leaves it out")
    add(
        "--known",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of each batch for which the teachers' kept answers are taken (default: 0)",
    )
    add("--answers", type=file_path, metavar="DIR", help="where these answers are kept (default: the folder of --out)")
    add("--precision", default="bf16", choices=("bf16", "fp32"), help="of the student's products (default: bf16)")
    add("--resume", action="store_true", help="go on from OUT/last.pt, or begin where there is none")
    add("--save-minutes", type=float, default=5.0, metavar="M", help="minutes between checkpoints (default: 5)")
    add("--every", type=int, default=500, metavar="N", help="steps between validations (default: 500)")
    add("--seed", type=int, default=0, metavar="N", help="seed (default: 0)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    add(
        "--out",
        type=file_path,
        default=Path("out/guided"),
        metavar="DIR",
        help="folder to write to (default: out/guided)",
    )


def run(args: argparse.Namespace) -> int:
    """Load, train, say where the weights are; 130 when interrupted."""
    import dataclasses
    import sys

    import torch

    from relaytrack.reid.datasets.factory import hold_out, load_train
    from relaytrack.reid.device import torch_device
    from relaytrack.reid.errors import ReidConfigError
    from relaytrack.reid.guided.learner import Guided
    from relaytrack.reid.guided.memory import picture_key
    from relaytrack.reid.guided.pictures import PictureSource, crops_without_ids, load_pictures
    from relaytrack.reid.guided.recipe import LOSS_TERMS, Recipe
    from relaytrack.reid.guided.teacher import load_teacher
    from relaytrack.reid.inherit import inherit, read_retail
    from relaytrack.reid.installed import find_weights
    from relaytrack.reid.model import ModelSpec, build_model
    from relaytrack.reid.outputs import check_target
    from relaytrack.reid.training.start import initialise

    check_target(args.out / "weights.safetensors")
    height, width = _size(args.size)
    _check_numbers(args)
    if not 0 <= args.known <= 1:
        raise ReidConfigError(f"--known must be between 0 and 1, not {args.known:g}")
    if not 0 <= args.average < 1:
        raise ReidConfigError(f"--average must be at least 0 and below 1, not {args.average:g}")
    device = torch_device(args.device)
    taught_by = [find_weights(name) for name in args.teacher]
    teachers = [load_teacher(path, device) for path in taught_by]
    draw = {name: _number("--draw", name, text) for name, text in map(_pair, args.draw)}
    sources: list[PictureSource] = []
    validation = {}
    for name, root in map(_pair, args.source):
        train, validation[name] = hold_out(name, load_train(name, file_path(root)))
        sources.append(PictureSource(name, train, draw.pop(name, 1.0)))
    if args.crops is not None:
        sources.append(PictureSource("crops", crops_without_ids(args.crops), draw.pop("crops", 1.0)))
    weights: dict[str, Any] = {name: _number("--loss", name, text, least=0.0) for name, text in map(_pair, args.loss)}
    unknown = next((name for name in weights if name not in LOSS_TERMS), None)
    if unknown is not None:
        raise ReidConfigError(f"--loss {unknown}: unknown term (one of {', '.join(LOSS_TERMS)})")
    if draw:
        raise ReidConfigError(
            f"--draw {next(iter(draw))}: unknown source (one of {', '.join(s.name for s in sources)})"
        )
    if not sources:
        raise ReidConfigError("nothing to learn from: give --source NAME=DIR or --crops DIR")
    pictures = load_pictures(sources, device)
    spec = ModelSpec(
        backbone=f"osnet_in_x{str(float(read_retail(taught_by[0]).width)).removesuffix('.0').replace('.', '_')}",
        attention="rga_sc",
        attention_stages=(3, 4),
        height=height,
        width=width,
        embedding_dim=sum(teacher.dim for teacher in teachers),
        head="depthwise",
        parts=len(teachers),
    )
    model = build_model(spec, pictures.classes)
    going_on = args.resume and (args.out / "last.pt").is_file()
    taught = weights.get("regression", 1) > 0 or weights.get("relation", 1) > 0
    if args.init is not None:
        initialise(model, str(args.init))
    else:
        inherit(model, taught_by[0])
    many = "1 teacher" if len(teachers) == 1 else f"{len(teachers)} teachers"
    print(f"{len(pictures.images)} pictures, {pictures.classes} people with ids, {many}, {device}")
    recipe = Recipe(
        batch=args.batch,
        people=args.people,
        steps=args.steps,
        minutes=args.minutes,
        lr=args.lr,
        warmup=args.warmup,
        average=args.average,
        known=args.known,
        precision=args.precision,
        every=args.every,
        save_minutes=args.save_minutes,
        seed=args.seed,
    )
    recipe = dataclasses.replace(recipe, **weights)
    key = picture_key(pictures.images, [path.read_bytes() for path in taught_by])
    model = model.to(device).to(memory_format=torch.channels_last)
    try:
        training = Guided(model, teachers, pictures, validation, recipe, args.out, key=key, memory=args.answers)
        if going_on:
            training.resume(args.out / "last.pt")
            print(f"goes on from step {training.step}")
        elif args.init is None and taught:
            training.regress_head()
        print(training.run())
    except KeyboardInterrupt as interruption:
        print(f"relaytrack: {str(interruption) or 'interrupted'}; go on with --resume", file=sys.stderr)
        return 130
    return 0


_LEAST = {"batch": 2, "people": 0, "steps": 1, "warmup": 1, "every": 1, "seed": 0}
_ABOVE_0 = ("minutes", "lr", "save_minutes")


def _check_numbers(args: argparse.Namespace) -> None:
    """Refuse numbers that no training can go by, before anything is loaded.

    Raises:
        ReidConfigError: naming the option.
    """
    from relaytrack.reid.errors import ReidConfigError

    for name, least in _LEAST.items():
        if (count := getattr(args, name)) is not None and count < least:
            raise ReidConfigError(f"--{name} must be at least {least}, not {count}")
    for name in _ABOVE_0:
        if (value := getattr(args, name)) is not None and not 0 < value < float("inf"):
            raise ReidConfigError(f"--{name.replace('_', '-')} must be above 0, not {value:g}")


def _pair(text: str) -> tuple[str, str]:
    from relaytrack.reid.errors import ReidConfigError

    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ReidConfigError(f"{text!r}: write NAME=VALUE")
    return name, value


def _number(option: str, name: str, text: str, least: float | None = None) -> float:
    from relaytrack.reid.errors import ReidConfigError

    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (0 < value < float("inf") or value == least):
        raise ReidConfigError(f"{option} {name}={text}: must be a positive number{' or 0' if least == 0 else ''}")
    return value


def _size(text: str) -> tuple[int, int]:
    from relaytrack.reid.errors import ReidConfigError

    height, _, width = text.partition("x")
    if not (height.isascii() and width.isascii() and height.isdecimal() and width.isdecimal()):
        raise ReidConfigError(f"--size {text}: write HEIGHTxWIDTH, such as 192x96")
    if int(height) % 16 or int(width) % 16 or min(int(height), int(width)) < 32:
        raise ReidConfigError(f"--size {text}: both sides must be multiples of 16 and at least 32")
    return int(height), int(width)
