"""The log of a live run on the terminal: lines with date, time and level, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from relaytrack.pipeline.config.urls import redact_url
from relaytrack.pipeline.dates import shown, utc_text

LogFormat = Literal["text", "json"]
_LOGGERS = ("relaytrack", "uvicorn.error", "py.warnings")


class _Safe(logging.Formatter):
    """Addresses in a traceback lose their passwords."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - its name in `logging`
        return redact_url(super().formatException(ei))


class _Dated(_Safe):
    def format(self, record: logging.LogRecord) -> str:
        return f"{shown(record.created)} {record.levelname} {super().format(record)}"


class _Json(_Safe):
    def format(self, record: logging.LogRecord) -> str:
        date = utc_text(record.created)
        entry = {
            "date": date.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class _Standard(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to the present `sys.stderr`, also after it was replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


@contextmanager
def log_lines(*, dated: bool, style: LogFormat = "text", level: int = logging.WARNING) -> Iterator[None]:
    """Write what is logged from a level on, with date, time and level, while the block runs.

    Args:
        dated: without it the lines stay as they are.
        style: lines of text, or one JSON object a line (`date`, `level`, `logger`, `message`, `traceback`).
        level: what is less important is not written.
    """
    if not dated:
        yield
        return
    handler = _Standard()
    handler.setLevel(level)
    handler.setFormatter(_Json() if style == "json" else _Dated())
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    ours = loggers[0]
    before = ours.level
    ours.setLevel(level)
    for logger in loggers:
        logger.addHandler(handler)
    logging.captureWarnings(style == "json")
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger in loggers:
            logger.removeHandler(handler)
        ours.setLevel(before)
