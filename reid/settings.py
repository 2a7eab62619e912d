"""The one loader of settings, for runs and for trainings: YAML, single keys that are changed, and checks.

Each mistake is one line with the key, and with the nearest valid key where one is unknown.
"""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from relaytrack.reid.wording import is_unicode, no_unicode, plain_words
from relaytrack.reid.yamlvalues import DoubleKeyError, parse_value, parse_yaml, yaml_fault

M = TypeVar("M", bound=BaseModel)

_PLACE = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class SettingsReader(Generic[M]):
    """Reads the settings of one model.

    Attributes:
        model: what is checked against.
        error: the exception of a mistake; it gets the line.
        started: names of lists whose first entry `NAME.0.key=value` makes where there is none.
        hidden: keys whose values are never repeated in a message.
        show_key: how a key is written in a message.
        show_value: how a value is written in a message.
    """

    model: type[M]
    error: Callable[[str], Exception]
    started: Collection[str] = ()
    hidden: Collection[str] = ()
    show_key: Callable[[str], str] = str
    show_value: Callable[[object], str] = repr

    def mapping(self, text: str, where: str) -> dict[str, Any]:
        """Read YAML whose top level is a mapping of sections; empty text is an empty one.

        Raises:
            error: it is something else; the line begins with `where`.
        """
        try:
            raw = parse_yaml(text)
        except yaml.YAMLError as error:
            if isinstance(error, DoubleKeyError):
                raise self.error(
                    f"{where}: {self.show_key(error.key)} is there twice, again in line {error.line}"
                ) from None
            raise self.error(f"{where}: not valid YAML{yaml_fault(error, text)}") from None
        if raw is None:
            return {}
        if not isinstance(raw, dict):
            raise self.error(f"{where}: a configuration is a mapping of sections, this is a {type(raw).__name__}")
        return raw

    def assignment(self, text: str) -> tuple[str, Any]:
        """Split `key.path=value` of the command line; the value is read as YAML.

        Raises:
            error: there is no `=`, or the value is no YAML.
        """
        key, sign, value = text.partition("=")
        key = key.strip()
        if not sign or not all(key.split(".")):
            raise self.error(f"--set {self.show_value(text)}: write key.path=value")
        try:
            return key, parse_value(value)
        except yaml.YAMLError:
            what = "the value is no YAML" if is_unicode(value) else no_unicode("value", "write it otherwise")
            raise self.error(f"--set {self.show_key(key)}: {what}") from None

    def assign(self, raw: dict[str, Any], key: str, value: Any) -> None:
        """Set `a.b.c` in nested mappings and lists; mappings that are missing on the way are made.

        Raises:
            error: a list has no such entry, or there is a plain value on the way.
        """
        steps = key.split(".")
        *way, last = steps
        here: Any = raw
        for step, following in pairwise(steps):
            if isinstance(here, dict):
                if step in self.started and following == "0" and not here.get(step):
                    here[step] = [{}]
                elif here.get(step) is None:
                    here[step] = {}
                here = here[step]
            else:
                here = self._entry(here, step, key)
        if isinstance(here, dict):
            here[last] = value
        elif isinstance(here, list):
            self._entry(here, last, key)
            here[int(last)] = value
        else:
            raise self.error(f"--set {self.show_key(key)}: there is nothing below {self.show_key('.'.join(way))!r}")

    def check(self, raw: Mapping[str, Any], where: str) -> M:
        """The settings, with every default filled in.

        Raises:
            error: an unknown key or a wrong value; the line begins with `where`.
        """
        try:
            return self.model.model_validate(raw)
        except ValidationError as error:
            raise self.error(f"{where}: {self._first_problem(error, raw)}") from None

    def _entry(self, here: Any, step: str, key: str) -> Any:
        if isinstance(here, list) and _PLACE.fullmatch(step) and int(step) < len(here):
            return here[int(step)]
        shown = self.show_key(key)
        raise self.error(f"--set {shown}: no entry {step if shown == key else shown!r} there")

    def _first_problem(self, error: ValidationError, raw: Mapping[str, Any]) -> str:
        problems = error.errors(include_url=False)
        problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
        location = _given_keys(problem, raw)
        key = ".".join(map(str, location))
        key = key and self.show_key(key)
        if problem["type"] == "extra_forbidden":
            return unknown_key(key, str(location[-1]), self._keys_at(location[:-1]))
        got = problem.get("input")
        shown = isinstance(got, str | int | float | bool) and location and location[-1] not in self.hidden
        # a value that may be of several kinds has a problem with each of them
        words = list(dict.fromkeys(plain_words(one) for one in problems if _given_keys(one, raw) == location))
        message = ", or ".join([words[0], *(one.removeprefix("must be ") for one in words[1:])])
        message += f" (got {self.show_value(got)})" if shown else ""
        return f"{key}: {message}" if key else message

    def _keys_at(self, location: Iterable[int | str]) -> list[str]:
        """The valid keys of the section at a location of pydantic's error."""
        model: type[BaseModel] = self.model
        for part in location:
            if isinstance(part, int):
                continue
            field = model.model_fields.get(part)
            if field is None:
                break
            model = next(_models_in(field.annotation), model)
        return list(model.model_fields)


def _given_keys(problem: Mapping[str, Any], raw: Any) -> tuple[int | str, ...]:
    """Where a problem is, in the words of who gave the value: pydantic's names of kinds of values are left out."""
    kept: list[int | str] = []
    here, location = raw, problem["loc"]
    for place, part in enumerate(location):
        inside = isinstance(here, list | tuple) and isinstance(part, int) and part < len(here)
        if inside or (isinstance(here, Mapping) and part in here):
            here = here[part]
            kept.append(part)
        elif problem["type"] == "missing" and place == len(location) - 1:
            kept.append(part)
    return tuple(kept)


def unknown_key(shown: str, key: str, known: Sequence[str]) -> str:
    """Say that a key is unknown, with the nearest valid one if there is one."""
    near = difflib.get_close_matches(key, known, 1, 0.5)
    return f"unknown key {shown!r}" + (f", did you mean {near[0]!r}?" if near else "")


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The pydantic models that a type is made of: itself, or what a list, a union or `Annotated` holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models_in(part)
