"""The log of a live run on the terminal: every line with date, time and level."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from relaytrack.pipeline.dates import shown


class _Dated(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{shown(record.created)} {record.levelname} {super().format(record)}"


class _Standard(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what `sys.stderr` is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


@contextmanager
def log_lines(*, dated: bool) -> Iterator[None]:
    """Write warnings with date, time and level while the block runs; without `dated` they stay as they are."""
    handler, logger = _Standard(), logging.getLogger("relaytrack")
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_Dated())
    if dated:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
