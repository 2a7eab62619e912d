"""The audit log: who looked for whom, and who changed what. One JSON object a line, only ever appended."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.urls import redact_url, shown_address
from relaytrack.pipeline.results.folder import open_private, writing

_ONCE = 60.0  # seconds for which the same is not noted again


class AuditLog:
    """Writes to a file, and keeps the last entries at hand.

    Args:
        path: the file.
        clock: seconds that only grow.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._writing = threading.Lock()
        self._lately: dict[str, float] = {}
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

    def note_once(self, user: str, action: str, **details: Any) -> None:
        """As `note`, but the same of the same user only once a minute: a player asks for a video piece by piece.

        Raises:
            OutputError: as of `note`.
        """
        same, now = json.dumps([user, action, details], sort_keys=True), self._clock()
        with self._writing:
            self._lately = {key: when for key, when in self._lately.items() if when > now - _ONCE}
            if same in self._lately:
                return
        self.note(user, action, **details)
        with self._writing:
            self._lately[same] = now

    def recent(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last entries, newest first."""
        with self._writing:
            return list(self._recent)[::-1][:limit]
