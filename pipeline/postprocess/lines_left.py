"""What is left of a camera's lines, for an erasure that cannot wait until missing files are found again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relaytrack.pipeline.results.track_rows import TrackRows, row_keys, rows_left_in, rows_path
from relaytrack.trackers.identities.types import TrackKey

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinesLeft:
    """The lines of one camera that can be read.

    Attributes:
        own: those of `tracks/`; None where the file is missing.
        shared: those of `global/`; None where the file is missing.
    """

    own: TrackRows | None
    shared: TrackRows | None

    @staticmethod
    def of(folder: Path, camera: str) -> LinesLeft:
        """Read them, and tell what is missing or damaged.

        Raises:
            OutputError: a file is there and cannot be read.
        """
        own, shared = rows_path(folder, "tracks", camera), rows_path(folder, "global", camera)
        found = LinesLeft(rows_left_in(own), rows_left_in(shared))
        for path in (own, shared):
            if not path.exists():
                LOG.warning("%s: missing; what is there of the person is removed", path)
        return found

    def tracks(self, camera: str, keys: set[TrackKey]) -> TrackRows:
        """The rows of some tracks in `tracks/`."""
        own = self.own or TrackRows.none()
        return own.pick(np.array([(camera, track) in keys for track in own.ids.tolist()], bool))

    def theirs(self, camera: str, keys: set[TrackKey], gone: set[int]) -> TrackRows:
        """The rows of some tracks (`keys`), and those of their people (`gone`) that are in no track of `own`."""
        own, shared = self.own or TrackRows.none(), self.shared or TrackRows.none()
        mine = shared.pick(np.isin(shared.ids, list(gone)))
        known = set(row_keys(own))
        return TrackRows.joined(
            [self.tracks(camera, keys), mine.pick(np.array([key not in known for key in row_keys(mine)], bool))]
        )

    def without(
        self, camera: str, keys: set[TrackKey], ids: Mapping[TrackKey, int]
    ) -> tuple[TrackRows, TrackRows, TrackRows]:
        """The rows of `tracks/` and of `global/` without some tracks, and the latter with track ids.

        A row of `global/` that is in no track fills a gap, and has the track of its identity's last box; where there
        is no such track, its identity's number.
        """
        own, shared = self.own or TrackRows.none(), self.shared or TrackRows.none()
        kept = own.pick(np.array([(camera, track) not in keys for track in own.ids.tolist()], bool))
        track_of = dict(zip(row_keys(own), own.ids.tolist(), strict=True))
        gone = {ids[key] for key in keys}
        places: list[tuple[int, int]] = []
        last: dict[int, int] = {}
        for row, (key, identity) in enumerate(zip(row_keys(shared), shared.ids.tolist(), strict=True)):
            track = track_of.get(key, last.get(identity, identity))
            if identity not in gone and (key not in track_of or (camera, track) not in keys):
                last[identity] = track
                places.append((row, track))
        left = shared.pick([row for row, _ in places])
        return kept, left, left.named([track for _, track in places])
