"""Answers of the identity service that come late, after a node has gone on without them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from queue import SimpleQueue

from relaytrack.pipeline.cluster.bus import Call
from relaytrack.pipeline.cluster.known_identities import KnownIdentities
from relaytrack.pipeline.cluster.link import Link
from relaytrack.trackers import Revision

_MOST = 1000  # calls whose answers are waited for
_ASK = 1.0  # seconds between questions for lost answers


class LateAnswers:
    """Waits for the answers to what was sent again, and asks for those that were lost.

    Args:
        link: asks.
        people: learns from the answers.
    """

    def __init__(self, link: Link, people: KnownIdentities) -> None:
        self._link, self._people = link, people
        self._waiting: list[Call] = []
        self._sent: SimpleQueue[Call] = SimpleQueue()
        self._ask_at = 0.0  # monotonic clock

    def expect(self, calls: Iterable[Call]) -> None:
        """Wait for the answers to these calls, too; from any thread."""
        for call in calls:
            self._sent.put(call)

    def learn(self, *, away: bool) -> list[Revision]:
        """Take what has come, and ask for what is missing, at most once a second; the corrections.

        Args:
            away: the service is out of reach, so that nothing can be asked.
        """
        while not self._sent.empty():
            self._waiting.append(self._sent.get())
        self._waiting, changes = self._people.learn_late(self._waiting)
        if not away and time.monotonic() > self._ask_at and (wanted := self._people.to_ask()):
            self._ask_at = time.monotonic() + _ASK
            self._waiting += self._link.ask_again(wanted)
            del self._waiting[:-_MOST]
        return changes
