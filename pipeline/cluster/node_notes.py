"""The warnings of a machine's work, for whoever runs the cluster."""

from __future__ import annotations

import logging
from collections import deque


class NodeNotes(logging.Handler):
    """Collects the warnings of a machine's work until they are asked for.

    Args:
        node: the name of the work.
    """

    def __init__(self, node: str) -> None:
        super().__init__(logging.WARNING)
        self._node = node
        self._lines: deque[str] = deque(maxlen=50)
        logging.getLogger("relaytrack").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        text = record.getMessage()
        self._lines.append(text if text.startswith(f"node {self._node}") else f"node {self._node}: {text}")

    def take(self) -> tuple[str, ...]:
        """The lines since the last call."""
        lines = tuple(self._lines.popleft() for _ in range(len(self._lines)))
        return lines

    def close(self) -> None:
        """Listen no more."""
        logging.getLogger("relaytrack").removeHandler(self)
        super().close()
