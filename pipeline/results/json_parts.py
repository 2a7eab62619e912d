"""JSON with one long list, written entry by entry, so that memory holds one entry at a time."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_INDENT = 1


def json_in_parts(
    head: Mapping[str, Any], name: str, entries: Iterable[Mapping[str, Any]], inner: str | None = None
) -> Iterator[bytes]:
    """The bytes of `json.dumps({**head, name: [*entries]}, indent=1)` and a line break, in parts.

    Args:
        head: what stands before the list; not empty.
        name: the list's key.
        entries: its entries.
        inner: the key of a further long list, the last of every entry and not its only one; its value may be any
            iterable, and is written entry by entry, too.
    """
    yield f"{_begun(head, 0)},\n{' ' * _INDENT}{json.dumps(name)}: [".encode()
    some = False
    for entry in entries:
        parts: Iterable[str] = (_indented(entry, 2),) if inner is None else _entry(entry, inner)
        before = ",\n" if some else "\n"
        for part in parts:
            yield f"{before}{part}".encode()
            before = ""
        some = True
    yield (f"\n{' ' * _INDENT}]\n}}\n" if some else "]\n}\n").encode()


def _entry(entry: Mapping[str, Any], inner: str) -> Iterator[str]:
    """One entry, two levels deep, with a long list at its end."""
    rest = {key: value for key, value in entry.items() if key != inner}
    yield f"{_begun(rest, 2)},\n{' ' * 3 * _INDENT}{json.dumps(inner)}: ["
    some = False
    for one in entry[inner]:
        yield f"{',' if some else ''}\n{_indented(one, 4)}"
        some = True
    closed = f"\n{' ' * 3 * _INDENT}]" if some else "]"
    yield f"{closed}\n{' ' * 2 * _INDENT}}}"


def _indented(value: Mapping[str, Any], depth: int) -> str:
    return textwrap.indent(json.dumps(dict(value), indent=_INDENT), " " * depth * _INDENT)


def _begun(value: Mapping[str, Any], depth: int) -> str:
    """A mapping without its end."""
    return _indented(value, depth).removesuffix(f"\n{' ' * depth * _INDENT}}}")
