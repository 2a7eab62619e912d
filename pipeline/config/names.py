"""Names in the configuration: which are known, and what to say of one that is not."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib.metadata import entry_points

DETECTORS = ("nanodet", "onnx", "torchvision", "ultralytics", "file")
TRACKERS = ("deepsort", "classic")
SINKS = ("kafka", "mqtt", "redis", "webhook")


def unknown_name(what: str, name: str, known: Sequence[str]) -> str:
    """Say that a part is unknown, with the nearest known one, or with all."""
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}" if known else "none is installed"
    return f"{what} {name!r}; {hint}"


def known_name(key: str, name: str, ours: Sequence[str], group: str) -> str:
    """Refuse a name that is neither one of ours nor an installed package's.

    Raises:
        ValueError: with the nearest known name.
    """
    if name in ours:
        return name
    installed = sorted(entry_points(group=group).names)
    if name not in installed:
        kind = group.removeprefix("relaytrack.").removesuffix("s")
        raise ValueError(unknown_name(f"no {kind} is called", name, [*ours, *installed]))
    return name
