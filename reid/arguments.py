"""The command line's parser: one line for a mistake, with the nearest name, and no word quoted that may be secret."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

_MAY_BE_SECRET = re.compile(r"://|@")


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that says a mistake in one line and suggests the command or option that was meant.

    A word of the command line that may be a camera's address, and hold a password, is never repeated.
    """

    _words: Sequence[str] = ()

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:  # type: ignore[override]
        """As of `ArgumentParser`, but what is not known is an error of the sub-command that was given it."""
        if args is not None:
            self._words = list(args)
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self._unknown_option() or f"unexpected {harmless(unknown[0])!r}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """Print one line and end with exit code 2."""
        message = self._unknown_option() or message
        for word in self._words:
            for part in (word, word.partition("=")[2]):
                if _MAY_BE_SECRET.search(part):
                    for written in (part, repr(part)[1:-1]):
                        message = message.replace(written, "***")
        self.exit(2, f"relaytrack: error: {' '.join(message.split())} (see {self.prog} --help)\n")

    def _unknown_option(self) -> str | None:
        """Say which word of the command line is an option that does not exist, if there is one."""
        if self._subparsers is not None:  # the sub-command knows its own options
            return None
        known = [option for option in self._option_string_actions if option.startswith("--")]
        for word in self._words:
            option = word.partition("=")[0]
            if word == "--":
                break
            if option.startswith("--") and not any(name.startswith(option) for name in known):
                return f"unknown option {harmless(option)!r}{did_you_mean(option, known)}"
        return None

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is not among an argument's choices, and name the nearest one."""
        if action.choices is None or value in action.choices:
            return
        names = [str(choice) for choice in action.choices]
        what = "command" if isinstance(action, argparse._SubParsersAction) else "value"
        listed = ", ".join(names)
        text = f"unknown {what} {harmless(str(value))!r}{did_you_mean(str(value), names)} (one of {listed})"
        if what == "command":
            self.error(text)
        raise argparse.ArgumentError(action, text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean X?` with the nearest of the known words, or nothing where none is near."""
    near = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f", did you mean {near[0]}?" if near else ""


def harmless(word: str) -> str:
    """A word of the command line for a message; `***` where it may be an address with a password."""
    return "***" if _MAY_BE_SECRET.search(word) else word
