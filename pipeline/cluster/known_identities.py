"""The identities that a node knows, and the numbers that it gives by itself while the service is out of reach."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from relaytrack.pipeline.cluster.answers import Answers, Rgb
from relaytrack.pipeline.cluster.batches import TrackletBatch
from relaytrack.pipeline.cluster.bus import Call
from relaytrack.pipeline.cluster.calls import MOST_TOLD
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.pipeline.records import Ints
from relaytrack.trackers import Revision

LOG = logging.getLogger("relaytrack.cluster")
PROVISIONAL = 1_000_000_000
"""Numbers from here on are a node's own, until the identity service is back."""
_MOST = 20_000  # tracks whose identity is kept
_MOST_COLORS = 2 * MOST_TOLD  # the service tells colours again after `MOST_TOLD`: older ones are not needed
_TRIES = 30  # times that a track's identity is asked for


@dataclass(slots=True)
class _Own:
    """A number that the node gave by itself: since when, the track's last batch, and how often it was asked for."""

    number: int
    since: float
    sequence: int = 0
    asked: int = 0


class KnownIdentities:
    """Remembers the identities of a node's tracks.

    Args:
        node: its name; other nodes give other numbers.

    Attributes:
        colors: the identities' colours as far as they were told, the latest ones.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self.colors: dict[int, Rgb] = {}
        self._known: dict[tuple[str, int], int] = {}
        self._own: dict[tuple[str, int], _Own] = {}
        self._heard = (0, 0)  # token of a service, and how many of its corrections are here
        self._following = PROVISIONAL + zlib.crc32(node.encode()) % 1000 * 1_000_000

    def known(self) -> dict[tuple[str, int], int]:
        """The identity of every (camera, track) that the service has told."""
        return dict(self._known)

    def heard(self, token: int) -> int:
        """How many corrections of the identity service with this token are here."""
        return self._heard[1] if self._heard[0] == token else 0

    def learn(self, answers: Answers) -> list[Revision]:
        """Remember what was told; people with a number of the node's own get their true one.

        Returns:
            What is to be corrected: those numbers, then the service's corrections that are new here.
        """
        changes = []
        for identity, color in answers.colors.items():
            self.colors.pop(identity, None)  # to the end of the row
            self.colors[identity] = color
        while len(self.colors) > _MOST_COLORS:
            del self.colors[next(iter(self.colors))]
        for one in answers.batches:
            for track, identity in zip(one.track_ids.tolist(), one.global_ids.tolist(), strict=True):
                if identity:
                    key = one.camera, track
                    self._known.pop(key, None)  # to the end of the row
                    self._known[key] = identity
                    own = self._own.pop(key, None)
                    if own is not None:
                        changes.append(Revision("merge", own.number, identity, *key, own.since))
        if len(self._known) > 2 * _MOST:
            self._known = dict(islice(self._known.items(), _MOST, None))
        revisions = self._new_corrections(answers)
        for change in revisions:
            if (change.camera, change.track) in self._known:
                self._known[change.camera, change.track] = change.new
        return [*changes, *revisions]

    def _new_corrections(self, answers: Answers) -> Sequence[Revision]:
        """Those that no earlier answer has brought."""
        new = max(0, answers.corrections - self.heard(answers.token))
        if answers.token >= self._heard[0]:
            self._heard = answers.token, max(answers.corrections, self.heard(answers.token))
        return answers.revisions[-new:] if new else ()

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
                changes += self.learn(answers)
        return waiting, changes

    def to_ask(self) -> set[tuple[str, int]]:
        """(camera, sequence) of batches whose people have a number of the node's own: their answers were lost."""
        found = set()
        for (camera, _), own in self._own.items():
            if own.asked < _TRIES:
                own.asked += 1
                found.add((camera, own.sequence))
        return found

    def alone(self, batches: Sequence[TrackletBatch]) -> tuple[Ints, ...]:
        """For each batch (N,) identities without the service."""
        found: list[Ints] = []
        for batch in batches:
            keys = [(batch.camera, track) for track in batch.message.ids.tolist()]
            for key in keys:
                if key not in self._known and key not in self._own:
                    self._following += 1
                    self._own[key] = _Own(self._following, batch.time)
                if key in self._own:
                    self._own[key].sequence = batch.sequence
            ids = [self._known[key] if key in self._known else self._own[key].number for key in keys]
            found.append(np.array(ids, np.int64))
        return tuple(found)
