"""The identities that a node knows, and the numbers that it gives by itself while the service is out of reach."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence

import numpy as np

from relaytrack.pipeline.cluster.answers import Answers, Rgb
from relaytrack.pipeline.cluster.batches import TrackletBatch
from relaytrack.pipeline.cluster.bus import Call
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.pipeline.records import Ints
from relaytrack.trackers import Revision

LOG = logging.getLogger("relaytrack.cluster")
PROVISIONAL = 1_000_000_000
"""Numbers from here on are a node's own, until the identity service is back."""


class KnownIdentities:
    """Remembers the identities of a node's tracks.

    Args:
        node: its name; other nodes give other numbers.

    Attributes:
        colors: the identities' colours as far as they were told.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self.colors: dict[int, Rgb] = {}
        self._known: dict[tuple[str, int], int] = {}
        self._own: dict[tuple[str, int], tuple[int, float]] = {}  # provisional number, since when
        self._following = PROVISIONAL + zlib.crc32(node.encode()) % 1000 * 1_000_000

    def known(self) -> dict[tuple[str, int], int]:
        """The identity of every (camera, track) that the service has told."""
        return dict(self._known)

    def learn(self, answers: Answers) -> list[Revision]:
        """Remember what was told; people with a number of the node's own get their true one."""
        changes = []
        self.colors.update(answers.colors)
        for one in answers.batches:
            for track, identity in zip(one.track_ids.tolist(), one.global_ids.tolist(), strict=True):
                if identity:
                    self._known[one.camera, track] = identity
                    own = self._own.pop((one.camera, track), None)
                    if own is not None:
                        changes.append(Revision("merge", own[0], identity, one.camera, track, own[1]))
        for change in answers.revisions:
            if (change.camera, change.track) in self._known:
                self._known[change.camera, change.track] = change.new
        return changes

    def learn_late(self, calls: Sequence[Call]) -> tuple[list[Call], list[Revision]]:
        """Learn from the answers to what was sent again; the calls that still wait, and the corrections."""
        waiting: list[Call] = []
        changes: list[Revision] = []
        for call in calls:
            try:
                answers = Answers.from_bytes(call.result(0))
            except TimeoutError:
                waiting.append(call)
            except RelayTrackError as error:
                LOG.warning("node %s: %s", self._node, error)
            else:
                changes += [*self.learn(answers), *answers.revisions]
        return waiting, changes

    def alone(self, batches: Sequence[TrackletBatch]) -> tuple[Ints, ...]:
        """For each batch (N,) identities without the service."""
        found: list[Ints] = []
        for batch in batches:
            keys = [(batch.camera, track) for track in batch.message.ids.tolist()]
            for key in keys:
                if key not in self._known and key not in self._own:
                    self._following += 1
                    self._own[key] = (self._following, batch.time)
            ids = [self._known[key] if key in self._known else self._own[key][0] for key in keys]
            found.append(np.array(ids, np.int64))
        return tuple(found)
