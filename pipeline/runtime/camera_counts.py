"""What happened to each camera's frames, over all sources that it had, and how many tracks it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from relaytrack.pipeline.sources.base import Source, SourceStats
from relaytrack.pipeline.tracking.session import CameraSession


class CameraCounts:
    """Keeps the counts of sources that are no longer read, and of cameras that left."""

    def __init__(self) -> None:
        self._before: dict[str, SourceStats] = {}
        self._tracks_before: dict[str, int] = {}

    def retire(self, session: CameraSession) -> None:
        """Keep the counts of a camera's source that is no longer read."""
        if session.source is not None:
            self._before[session.name] = self.stats(session.name, session.source)

    def leave(self, session: CameraSession) -> None:
        """Keep the tracks of a camera that has left; its source is retired before."""
        self._tracks_before[session.name] = self._tracks_before.get(session.name, 0) + session.stats.tracks

    def all(self, sessions: Mapping[str, CameraSession]) -> tuple[dict[str, SourceStats], dict[str, int]]:
        """Per camera, those that left included: what happened to its frames, and its confirmed tracks."""
        stats = {name: self.stats(name, session.source) for name, session in sessions.items()}
        tracks = {name: self._tracks_before.get(name, 0) + one.stats.tracks for name, one in sessions.items()}
        return {**self._before, **stats}, {**self._tracks_before, **tracks}

    def stats(self, name: str, source: Source | None) -> SourceStats:
        """A camera's counts with those of the sources that it had before."""
        before = self._before.get(name)
        now = SourceStats() if source is None else source.stats
        if before is None:
            return now
        return replace(
            now,
            frames=before.frames + now.frames,
            dropped=before.dropped + now.dropped,
            broken=before.broken + now.broken,
            reconnects=before.reconnects + now.reconnects,
            warning=now.warning or before.warning,
        )
