"""What a part of a run must have: seen before it is used, whether a program or another package made it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relaytrack.pipeline.errors import ConfigError

SOURCE = ("name", "live", "stats", "open()", "frames()", "close()")
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
