"""HTML that escapes by default: only what was built here is markup, every other string is text."""

from __future__ import annotations

import html
import urllib.parse


class Markup(str):
    """A string that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element.

    Args:
        name: the element's name.
        children: `Markup` as it is, None nothing, anything else as escaped text.
        attributes: escaped values; `class_` is `class`, other underscores become hyphens; None leaves one out and
            True gives it no value.
    """
    written = []
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            written.append(f" {key}")
        elif value is not None and value is not False:
            written.append(f' {key}="{html.escape(str(value), quote=True)}"')
    inner = join(children)
    if name in ("img", "input", "meta", "path", "line", "circle", "polyline", "rect") and not inner:
        return Markup(f"<{name}{''.join(written)}/>")
    return Markup(f"<{name}{''.join(written)}>{inner}</{name}>")


def join(children: object) -> Markup:
    """Put children one after the other, escaping what is not markup."""
    parts = children if isinstance(children, list | tuple) else [children]
    out: list[str] = []
    for part in parts:
        if part is None:
            continue
        if isinstance(part, list | tuple):
            out.append(join(part))
        else:
            out.append(part if isinstance(part, Markup) else html.escape(str(part), quote=True))
    return Markup("".join(out))


def link(path: str, fragment: str = "") -> str:
    """A relative address of a file beside the page, safe whatever the file's name is."""
    address = urllib.parse.quote(path)
    return f"{address}#{fragment}" if fragment else address
