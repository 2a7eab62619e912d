"""What a part of a run must have: seen before it is used, whether a program or another package made it."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from relaytrack.pipeline.errors import ConfigError

SOURCE = ("name", "live", "stats", "fps", "size", "open()", "frames()", "close()")
SINK = ("write()", "close()")
DETECTOR = ("detect()",)
EMBEDDER = ("input_size", "dim", "embed()")
TRACKER = ("update()",)
SERVICE = ("update()", "calibrate()", "final_identities()", "status()", "close()")


def check_part(key: str, part: Any, needs: Sequence[str]) -> None:
    """See that a part has what it will be asked for.

    Args:
        key: what messages call it.
        part: the part.
        needs: names of attributes; of methods where `()` stands behind them.

    Raises:
        ConfigError: it is a class, or lacks one of them; the message names it and what it lacks.
    """
    if isinstance(part, type):
        raise ConfigError(f"{key}: an object is wanted, not the class {part.__name__} itself")
    for need in needs:
        name = need.removesuffix("()")
        if not hasattr(part, name) or (name != need and not callable(getattr(part, name))):
            raise ConfigError(f"{key}: {type(part).__name__} has no {need}")


def check_embedder(key: str, embedder: Any) -> None:
    """The same of an embedder, whose sizes must be usable, too.

    Raises:
        ConfigError: it lacks something, or a size makes no sense.
    """
    check_part(key, embedder, EMBEDDER)
    if not _is_count(embedder.dim):
        raise ConfigError(f"{key}: dim is {embedder.dim!r}, not the length of an embedding")
    size = embedder.input_size
    if not isinstance(size, Sequence) or len(size) != 2 or not all(map(_is_count, size)):
        raise ConfigError(f"{key}: input_size is {size!r}, not the (height, width) of a crop in pixels")


def _is_count(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1
