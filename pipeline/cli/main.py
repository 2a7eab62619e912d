"""`relaytrack`: finds the sub-command, runs it, and turns what a user can cause into one line and exit code 2."""

from __future__ import annotations

import argparse
import importlib
import importlib.machinery
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from relaytrack.pipeline.config.urls import redact_url
from relaytrack.pipeline.errors import InputError, RelayTrackError
from relaytrack.reid.arguments import Parser
from relaytrack.reid.terminal import StdoutError, speaking

COMMANDS = {
    "run": "relaytrack.pipeline.cli.run",
    "demo": "relaytrack.pipeline.cli.demo",
    "serve": "relaytrack.pipeline.cli.serve",
    "service": "relaytrack.pipeline.cli.service",
    "user": "relaytrack.pipeline.cli.user",
    "track": "relaytrack.pipeline.cli.track",
    "eval": "relaytrack.pipeline.cli.eval",
    "cache": "relaytrack.pipeline.cli.cache",
    "bench": "relaytrack.pipeline.cli.bench",
    "search": "relaytrack.pipeline.cli.search",
    "merge": "relaytrack.pipeline.cli.merge",
    "split": "relaytrack.pipeline.cli.split",
    "forget": "relaytrack.pipeline.cli.forget",
    "calibrate": "relaytrack.pipeline.cli.calibrate",
    "reid": "relaytrack.pipeline.cli.reid",
}
EPILOG = (
    "The bundled re-identification weights were trained on Market-1501 and CUHK03 and are for research use only; "
    "`relaytrack reid train` makes your own."
)
_LONGEST = 800  # letters of an error's line
_FORWARDING = ("reid", "bench")
_COMPILED = tuple(importlib.machinery.EXTENSION_SUFFIXES)  # of a library that is there and cannot be loaded


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; `only` limits the sub-commands whose arguments are filled in to the one in use."""
    parser = Parser(
        prog="relaytrack",
        description="Follow people across many cameras and give each one identity everywhere.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module_name in COMMANDS.items():
        module = importlib.import_module(module_name)
        command = commands.add_parser(
            name, help=module.HELP, description=module.HELP, epilog=EPILOG, add_help=name not in _FORWARDING
        )
        if only in (None, name):
            module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 2 a problem with the input, 130 interrupted."""
    with warnings.catch_warnings():
        shown = warnings.showwarning
        warnings.showwarning = lambda *args, **more: _warn(shown, *args, **more)
        return speaking(lambda: _dispatch(list(sys.argv[1:] if argv is None else argv)))


def _warn(shown: Callable[..., None], message: Warning | str, category: type[Warning], *args: Any, **more: Any) -> None:
    """Say in one line that a key has a new name; other warnings are shown as usual."""
    if issubclass(category, FutureWarning) and category.__module__.startswith("relaytrack."):
        print(f"relaytrack: warning: {message}", file=sys.stderr)
    else:
        shown(message, category, *args, **more)


def _dispatch(arguments: list[str]) -> int:
    if arguments and arguments[0] in _FORWARDING:
        return _guarded(lambda: importlib.import_module(COMMANDS[arguments[0]]).forward(arguments[1:]))
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    args = build_parser(chosen if chosen in COMMANDS else None).parse_args(arguments)
    return _guarded(lambda: args.run(args))


def _guarded(action: Callable[[], int]) -> int:
    try:
        _check_current_folder()
    except RelayTrackError as error:
        return _refuse(str(error))
    from relaytrack.reid.errors import ReidError
    from relaytrack.trackers.errors import TrackerError

    try:
        return int(action())
    except (RelayTrackError, ReidError, TrackerError) as error:
        code = _refuse(str(error))
        if getattr(error, "leaves_at_once", False):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        return code
    except OSError as error:
        if error.errno is None or isinstance(error, StdoutError):  # `speaking` tells of the second
            raise
        return _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))
    except ImportError as error:
        if not (error.path or "").endswith(_COMPILED):
            raise
        return _refuse(f"a library cannot be loaded: {error}")
    except KeyboardInterrupt:
        print("relaytrack: interrupted", file=sys.stderr)
        return 130


def _check_current_folder() -> None:
    """Refuse to start where the current folder has been deleted: numpy and the networks' libraries die there.

    Raises:
        InputError: it is gone.
    """
    try:
        os.getcwd()
    except FileNotFoundError:
        raise InputError("the current folder has been deleted: change to another one") from None


def _refuse(message: str) -> int:
    line = " ".join(redact_url(message).split())
    line = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 40]} ... {line[-30:]}"
    print(f"relaytrack: error: {line}", file=sys.stderr)
    return 2


def _version() -> str:
    from importlib.metadata import version

    return f"relaytrack {version('relaytrack')}"


if __name__ == "__main__":
    sys.exit(main())
