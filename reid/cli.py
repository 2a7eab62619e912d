"""`relaytrack reid`: train, score, measure and export re-identification networks (also `python -m relaytrack.reid`)."""

from __future__ import annotations

import argparse
import importlib
import logging
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence

from relaytrack.reid.arguments import Parser
from relaytrack.reid.errors import ReidError
from relaytrack.reid.terminal import StdoutError, speaking

COMMANDS = {
    "train": "relaytrack.reid.commands.train",
    "guide": "relaytrack.reid.commands.guide",
    "adapt": "relaytrack.reid.commands.adapt",
    "eval": "relaytrack.reid.commands.eval",
    "calibrate": "relaytrack.reid.commands.calibrate",
    "average": "relaytrack.reid.commands.average",
    "bench": "relaytrack.reid.commands.bench",
    "export": "relaytrack.reid.commands.export",
    "import": "relaytrack.reid.commands.convert",
    "embed": "relaytrack.reid.commands.embed",
    "rank": "relaytrack.reid.commands.rank",
    "weights": "relaytrack.reid.commands.weights",
}
EPILOG = """data sets:
  folder                   your own: images named <identity>_<camera>_*.jpg, flat or in train/, query/, gallery/
  csv                      your own: a file with columns path,id,camera and, optionally, split
  market1501, msmt17       as published (MSMT17: V1 and V2)
  cuhk03_labeled, cuhk03_detected, cuhk03_classic_labeled, cuhk03_classic_detected
                           new and classic protocol; from cuhk-03.mat, extracted folders or CUHK03-NP
  cuhk03_part              a folder of CUHK03's labelled crops, <id>_c<camera>_<number>.jpg
  veri                     VeRi-776 (vehicles) and what is laid out like it
  dukemtmc, occluded_duke  withdrawn by their authors: for those who have them and may use them

train on your own people in three commands:
  relaytrack reid train light --set data.sources.0.name=folder --set data.sources.0.root=my_people
  relaytrack reid eval --weights out/reid/weights.safetensors --dataset folder --root my_test_people
  relaytrack run --source lobby.mp4 --out out/mine --set embedder.weights=out/reid/weights.safetensors

`relaytrack reid COMMAND --help` shows each command's options and examples.

The default weights were trained on Market-1501 and CUHK03 and are for research use only; `relaytrack reid weights`
lists the others that are installed."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help of up to 110 columns; examples stay as they are written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=min(110, shutil.get_terminal_size((110, 24)).columns))


def build_parser(prog: str = "relaytrack reid") -> argparse.ArgumentParser:
    """The parser of all sub-commands."""
    parser = Parser(
        prog=prog,
        description="Person re-identification: train, score, measure and export networks.",
        epilog=EPILOG,
        formatter_class=_Help,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module_name in COMMANDS.items():
        module = importlib.import_module(module_name)
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
            epilog=module.EPILOG,
            formatter_class=_Help,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str], prog: str = "relaytrack reid", *, clean: Callable[[str], str] = str) -> int:
    """Run one sub-command.

    Args:
        argv: the words after `reid`.
        prog: what the help calls the program.
        clean: takes out of an error's text what nobody should read, such as passwords in addresses.

    Returns:
        0 done, 2 a problem with the input (one line on stderr says which), 130 interrupted.
    """
    return speaking(lambda: _run(argv, prog, clean))


def _run(argv: Sequence[str], prog: str, clean: Callable[[str], str]) -> int:
    args = build_parser(prog).parse_args(argv)
    from relaytrack.reid.datasets.base import CountWarning

    logging.basicConfig(level=logging.WARNING, format="relaytrack: %(message)s")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", CountWarning)
            warnings.showwarning = _one_line(warnings.showwarning)
            return int(args.run(args))
    except ReidError as error:
        return _refuse(clean(str(error)))
    except OSError as error:
        if error.errno is None or isinstance(error, StdoutError):  # `speaking` tells of the second
            raise
        return _refuse(clean(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)))
    except KeyboardInterrupt:
        print("relaytrack: interrupted", file=sys.stderr)
        return 130


def _refuse(message: str) -> int:
    print(f"relaytrack: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _one_line(others: Callable[..., None]) -> Callable[..., None]:
    """Show what the data sets warn of in one line; leave other warnings as they are."""

    def show(message: Warning | str, category: type[Warning], *rest: object, **more: object) -> None:
        if category.__module__.startswith("relaytrack.reid."):
            print(f"relaytrack: warning: {' '.join(str(message).split())}", file=sys.stderr)
        else:
            others(message, category, *rest, **more)

    return show
