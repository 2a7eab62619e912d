"""The command line's parser: one line for a mistake, with the nearest name, and no word quoted that may be secret."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

_MAY_BE_SECRET = re.compile(r"://|@")
_WANTED: dict[Any, str] = {int: "a whole number", float: "a number"}
_SAME = (
    ("--source", "-i", "-s", "--input", "--video", "--videos", "--camera", "--cameras", "--url", "--file", "--stream"),
    ("--out", "-o", "--dir", "--folder", "--save", "--results", "--destination"),
    ("--run", "--dir", "--folder", "--results", "--out"),
    ("--config", "-c", "--yaml", "--settings", "--configuration"),
    ("--image", "-i", "--picture", "--photo", "--query", "--crop"),
    ("--device", "--gpu", "--cuda"),
    ("--max-seconds", "--duration", "--seconds", "--time", "--limit"),
    ("--anonymise", "--anonymize", "--privacy", "--mask"),
    ("--weights", "-w", "--model", "--checkpoint"),
    ("--gt", "--ground-truth", "--truth", "--labels"),
    ("--result", "--results", "--predictions", "--tracks"),
)
"""Options (first) and what other programs call them."""


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
        if unknown and self._unknown_option() is None:
            try:
                self._fill_late(known, unknown)
            except argparse.ArgumentError as error:
                self.error(str(error))
        if unknown:
            self.error(self._unknown_option() or f"unexpected {harmless(unknown[0])!r}")
        return known, unknown

    def _fill_late(self, known: Any, unknown: list[str]) -> None:
        """Give words behind an option to optional arguments still empty: argparse looks before the option only."""
        for action in self._get_positional_actions():
            late = next((place for place, word in enumerate(unknown) if word.startswith("-")), len(unknown))
            count = {"?": min(late, 1), "*": late}.get(str(action.nargs), 0)
            if count and getattr(known, action.dest, None) in (action.default, []):
                setattr(known, action.dest, self._get_values(action, unknown[:count]))
                del unknown[:count]

    def error(self, message: str) -> NoReturn:
        """Print one line and end with exit code 2."""
        message = self._unknown_option() or self._with_values(message)
        message = message.replace("ignored explicit argument", "takes no value, and was given")
        for word in self._words:
            for part in (word, word.partition("=")[2]):
                if _MAY_BE_SECRET.search(part):
                    for written in (part, repr(part)[1:-1]):
                        message = message.replace(written, "***")
        self.exit(2, f"relaytrack: error: {' '.join(message.split())} (see {self.prog} --help)\n")

    def _with_values(self, message: str) -> str:
        """The message about arguments that are missing, with the form of each."""
        begin, colon, names = message.partition(" are required: ")
        if not colon:
            return message
        forms = {action.option_strings[0]: _form(action) for action in self._actions if action.option_strings}
        return f"{begin}{colon}{', '.join(forms.get(name.split('/')[0], name) for name in names.split(', '))}"

    def _unknown_option(self) -> str | None:
        """Say which word of the command line is an option that does not exist, if there is one."""
        if self._subparsers is not None:  # the sub-command knows its own options
            return None
        known = list(self._option_string_actions)
        for word in self._words:
            option = word.partition("=")[0]
            if word == "--":
                break
            short = re.fullmatch("-[A-Za-z]", option) is not None and option not in known
            if short or (option.startswith("--") and not any(name.startswith(option) for name in known)):
                return f"unknown option {harmless(option)!r}{self._meant_by(option)}"
        return None

    def _meant_by(self, option: str) -> str:
        """`, did you mean X?` for an option that does not exist, or how what it names is given; or nothing."""
        names = {option, *(usual for usual, *others in _SAME if option in others)}
        for action in self._get_positional_actions():
            shown = action.metavar if isinstance(action.metavar, str) else action.dest
            if names & {f"--{action.dest}", f"--{shown.partition('.')[0].lower()}"}:
                return f": give it without an option ({self.prog} {shown})"
        known = [name for name in self._option_string_actions if name.startswith("--")]
        usual = [name for name in known if name in names]
        return f", did you mean {usual[0]}?" if usual else did_you_mean(option, known)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Refuse a word that is no number where one is wanted, and say what is."""
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            wanted = _WANTED.get(action.type)
            if wanted is None:
                raise
            raise argparse.ArgumentError(action, f"must be {wanted}, not {harmless(arg_string)!r}") from None

    def _match_argument(self, action: argparse.Action, arg_strings_pattern: str) -> int:
        """Say what belongs behind an option that stands without its value."""
        try:
            return super()._match_argument(action, arg_strings_pattern)
        except argparse.ArgumentError:
            if not action.option_strings or action.nargs not in (None, "+", 1):
                raise
            raise argparse.ArgumentError(action, f"a value is missing ({_form(action)})") from None

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


def _form(action: argparse.Action) -> str:
    """An option with what belongs behind it, such as `--out DIR`."""
    shown = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    return f"{action.option_strings[0]} {' '.join(shown) if isinstance(shown, tuple) else shown}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean X?` with the nearest of the known words, or nothing where none is near."""
    near = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f", did you mean {near[0]}?" if near else ""


def harmless(word: str) -> str:
    """A word of the command line for a message; `***` where it may be an address with a password."""
    return "***" if _MAY_BE_SECRET.search(word) else word
