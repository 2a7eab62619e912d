"""JSON with one long list, written entry by entry, so that memory holds one entry at a time."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_INDENT = 1


def json_in_parts(head: Mapping[str, Any], name: str, entries: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The bytes of `json.dumps({**head, name: [*entries]}, indent=1)` and a line break, in parts.

    Args:
        head: what stands before the list; not empty.
        name: the list's key.
        entries: its entries.
    """
    begin = json.dumps(dict(head), indent=_INDENT).removesuffix("\n}")
    yield f"{begin},\n{' ' * _INDENT}{json.dumps(name)}: [".encode()
    some = False
    for entry in entries:
        text = textwrap.indent(json.dumps(entry, indent=_INDENT), " " * 2 * _INDENT)
        yield f"{',' if some else ''}\n{text}".encode()
        some = True
    yield (f"\n{' ' * _INDENT}]\n}}\n" if some else "]\n}\n").encode()
