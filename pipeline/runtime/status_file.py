"""`status.json`: how a live run is doing, for programs that only read files."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.folder import write_atomically
from relaytrack.pipeline.runtime.snapshot import CameraStatus, Snapshot

LOG = logging.getLogger("relaytrack.engine")
NAME = "status.json"


class StatusFile:
    """Writes the file anew each time, and warns once while it cannot be written.

    Args:
        folder: the run's folder; None writes nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / NAME
        self._failing = False

    def write(self, snapshot: Snapshot, dropped: Callable[[str], float | None], saved: Sequence[str]) -> None:
        """Write the run at present.

        Args:
            snapshot: the run.
            dropped: gives the share of a camera's frames that was dropped lately.
            saved: what the networks leave out at present, in words.
        """
        if self._path is None:
            return
        content = _described(snapshot, dropped, saved)
        try:
            write_atomically(self._path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        except OutputError as error:
            if not self._failing:
                LOG.warning("%s", error)
            self._failing = True
        else:
            self._failing = False


def _described(snapshot: Snapshot, dropped: Callable[[str], float | None], saved: Sequence[str]) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "state": snapshot.state,
        "error": snapshot.error,
        "time": snapshot.time and round(snapshot.time, 3),
        "clock_ahead": round(snapshot.ahead, 1),
        "identities": snapshot.identities,
        "adapted": list(saved),
        "cameras": {name: _camera(one, dropped(name)) for name, one in snapshot.cameras.items()},
        "sinks": {
            name: {"state": sink.state, "waiting": sink.waiting, "dropped": sink.dropped, "error": sink.error}
            for name, sink in snapshot.sinks.items()
        },
    }


def _camera(one: CameraStatus, share: float | None) -> dict[str, Any]:
    return {
        "state": one.state,
        "live": one.live,
        "frames": one.frames,
        "rate": round(one.rate, 2),
        "dropped": one.dropped,
        "dropped_share": share and round(share, 3),
        "age_p50": one.age_p50 and round(one.age_p50, 3),
        "age_p95": one.age_p95 and round(one.age_p95, 3),
        "broken": one.broken,
        "reconnects": one.reconnects,
        "waiting": one.waiting,
        "error": one.error,
        "warning": one.warning,
    }
