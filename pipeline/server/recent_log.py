"""The last lines of the log, for the page: what an operator would otherwise look up on the machine itself."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass

from relaytrack.pipeline.config.urls import redact_url

LOGGERS = ("relaytrack", "uvicorn.error", "py.warnings")
_KEPT = 300
_LONGEST = 2000  # letters of a message


@dataclass(frozen=True, slots=True)
class LogLine:
    """One message.

    Attributes:
        epoch: seconds since 1970; level: as in `logging`, such as "WARNING".
        message: one line, without passwords of addresses.
    """

    epoch: float
    level: str
    message: str


class RecentLog(logging.Handler):
    """Keeps the last messages in memory, from `attach` to `detach`."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[LogLine] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        try:
            message = " ".join(redact_url(record.getMessage()).split())[:_LONGEST]
        except Exception:  # a message whose arguments do not fit must not end its thread
            self.handleError(record)
            return
        self._lines.append(LogLine(record.created, record.levelname, message))

    def attach(self) -> None:
        """Begin to listen."""
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)

    def detach(self) -> None:
        """Listen no more."""
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)

    def recent(self, limit: int = _KEPT) -> list[LogLine]:
        """The last messages, newest first."""
        return list(self._lines)[::-1][:limit]
