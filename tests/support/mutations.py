"""Seeded damage to configurations: what a slip of the hand, a wrong tool or bad luck makes of them."""

from __future__ import annotations

import copy
import random
import string
from typing import Any

import yaml

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1e-9, 1e9, -1e9, 1e300, float("nan"), float("inf"), -float("inf"),
    2**31, 2**63, 2**64, -(2**63), 10**400, "", " ", "0", "1", "-1", "nan", "1e3", "null", "yes", "auto", "cpu",
    "cuda:99", "cuda:²", "x" * 5000, "\n", "\x00", "é中\U0001f600", "\ud800", "${HOME}", "${NOT_SET_ANYWHERE}", "~",
    "/", ".", "..", "/dev/null", "/proc/self/mem", "a/b/c", "[/red]", "%s%d%n", "rtsp://", "rtsp://u:p@", "file://",
    "webcam:", "://", "http://[::1", [], {}, [[]], [None], [1, 2, 3], [1, 2], [0, 0, 0, 0], [-1, -1, 9, 9], {"a": 1},
    {"": ""}, {"x": None}, [[0, 0], [1, 1]], [[0, 0], [0, 0], [0, 0]], [["a", "b", 1, 2]], "2024-13-45", b"bytes",
    [1e300] * 4, list(range(2000)),
)  # fmt: skip


def damaged(chance: random.Random, base: dict[str, Any]) -> str:
    """The text of a configuration like `base`, cut down to some sections, with one to three faults by `chance`."""
    kept = {*chance.sample(sorted(base), min(3, len(base))), "cameras", "output", "detector"}
    values = {key: copy.deepcopy(value) for key, value in base.items() if key in kept}
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        _spoil(chance, values)
    text = _text(values)
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        text = _scratch(chance, text)
    return text


def _text(values: dict[str, Any]) -> str:
    try:
        return yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
    except (yaml.YAMLError, ValueError):  # a number of hundreds of digits, a letter that is none
        return repr(values)


def _spoil(chance: random.Random, values: dict[str, Any]) -> None:
    """Change one place in nested values."""
    way = _places(values)
    holder, key = chance.choice(way)
    kind = chance.randrange(11)
    number = holder[key]
    if isinstance(number, int | float) and not isinstance(number, bool) and kind < 7:
        factor = chance.choice((0, -1, 1e-6, 0.1, 0.5, 2, 10, 1000, 1e6))
        holder[key] = type(number)(number * factor)
    elif kind < 7:
        holder[key] = copy.deepcopy(chance.choice(ODD))
    elif kind == 8 and isinstance(holder, dict):
        word = str(key)
        at = chance.randrange(len(word) + 1)
        holder[word[:at] + chance.choice(string.printable) + word[at:]] = holder.pop(key)
    elif kind == 9:
        other, place = chance.choice(way)
        holder[key] = copy.deepcopy(other[place])
    else:
        del holder[key]


def _places(values: Any) -> list[tuple[Any, Any]]:
    """Every place in nested values: its holder and its key or index."""
    found: list[tuple[Any, Any]] = []
    keys = list(values) if isinstance(values, dict) else range(len(values))
    for key in keys:
        found.append((values, key))
        if isinstance(values[key], dict | list):
            found += _places(values[key])
    return found


def _scratch(chance: random.Random, text: str) -> str:
    """Damage a text as such: a letter gone, doubled or another, a line gone, moved or doubled, the end cut off."""
    if not text:
        return text
    kind, at = chance.randrange(7), chance.randrange(len(text))
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + chance.choice(string.printable + "é中\x00\ufeff\u2028") + text[at:]
    if kind == 2:
        return text[:at] + chance.choice("[]{}:,&*#?|-<>%@`'\"\\\t") + text[at + 1 :]
    if kind == 3:
        return text[:at]
    lines = text.splitlines(keepends=True)
    line = chance.randrange(len(lines))
    if kind == 4:
        del lines[line]
    elif kind == 5:
        lines.insert(chance.randrange(len(lines)), lines[line])
    else:
        lines[line] = "  " + lines[line]
    return "".join(lines)
