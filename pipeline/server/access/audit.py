"""The audit log: who looked for whom, and who changed what. One JSON object a line, only ever appended."""

from __future__ import annotations

import json
import threading
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.urls import redact_url, shown_address
from relaytrack.pipeline.results.folder import open_private, writing


class AuditLog:
    """Writes to a file, and keeps the last entries at hand.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._recent: deque[dict[str, Any]] = deque(maxlen=500)
        if path.exists():
            with path.open("rb") as file:
                for line in deque(file, maxlen=500):
                    try:
                        self._recent.append(json.loads(line))
                    except ValueError:  # a line that was cut off by a kill
                        continue

    def note(self, user: str, action: str, **details: Any) -> None:
        """Write down that `user` did `action`.

        Raises:
            OutputError: it cannot be written; then the action must not happen.
        """
        entry = {"date": datetime.now(UTC).isoformat(timespec="milliseconds"), "user": user, "action": action}
        hide = {"url": shown_address}
        entry |= {
            key: hide.get(key, redact_url)(value) if isinstance(value, str) else value for key, value in details.items()
        }
        with self._writing:
            with writing(self._path), open_private(self._path, "ab") as file:
                file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            self._recent.append(entry)

    def recent(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last entries, newest first."""
        with self._writing:
            return list(self._recent)[::-1][:limit]
