"""A node's end of the bus: numbers batches, keeps the last ones, and sends them again when the service was lost."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from relaytrack.pipeline.cluster.batches import Form, TrackletBatch, encode
from relaytrack.pipeline.cluster.bus import Bus, BusLostError, Call
from relaytrack.pipeline.cluster.greetings import CameraHello, Welcome
from relaytrack.pipeline.identity.messages import TrackletMessage

LOG = logging.getLogger("relaytrack.cluster")
KEPT = 512
"""Batches of a camera that are kept to be sent again: about a minute."""
_PIECE = (
    60_000  # bytes of a call when batches are sent again; Ray keeps answers and words below 100 kB out of its store
)
_ANSWER = 2.0  # seconds that a hello may take


@dataclass(frozen=True, slots=True)
class Sent:
    """Batches that are on their way; `call` is None while the service is out of reach."""

    batches: tuple[TrackletBatch, ...]
    since: float
    call: Call | None
    generation: int


class Link:
    """Sends the batches of a node's cameras in order.

    Args:
        bus: the way to the identity service.
        node: the node's name.
        order: the number of the order by which it follows its cameras.
        cameras: by name, whether it is live.
        form: of the embeddings.
        heard: how many corrections of the service with a token have arrived.

    Attributes:
        token: the newest identity service's.
        first_ids: by camera, what its track ids are raised by.
        sent_bytes, sent_tracks: counts, first sendings only.
        generation: hellos that were answered; 0 before the first.
    """

    def __init__(
        self,
        bus: Bus,
        node: str,
        order: int,
        cameras: Mapping[str, bool],
        *,
        form: Form,
        heard: Callable[[int], int] = lambda _: 0,
    ) -> None:
        self._heard = heard
        self.bus, self.node, self.order, self.form = bus, node, order, form
        self.live = dict(cameras)
        self.token = self.generation = self.sent_bytes = self.sent_tracks = 0
        self.first_ids: Mapping[str, int] = {}
        self._rates: Mapping[str, float | None] = {}
        self._next = dict.fromkeys(cameras, 1)
        self._kept: dict[str, deque[tuple[int, float, bytes]]] = {name: deque(maxlen=KEPT) for name in cameras}
        self._busy = threading.RLock()
        self._ended: set[str] = set()
        self._away = False

    def open(self, rates: Mapping[str, float | None]) -> None:
        """Claim the cameras.

        Args:
            rates: their nominal rates.

        Raises:
            ClaimError: another node follows one.
            TimeoutError, BusLostError: the service does not answer.
        """
        with self._busy:
            self._rates = rates
            welcome = self._hello()
            self.first_ids = welcome.first_ids
            for name, live in self.live.items():
                if live:  # a recording begins anew, and its batches have the numbers that they had
                    self._next[name] = welcome.seen[name] + 1

    def take(self, camera: str) -> None:
        """Claim a further live camera.

        Raises:
            ClaimError: another node follows it.
            TimeoutError, BusLostError: the service does not answer.
        """
        with self._busy:
            hello = {camera: CameraHello(True)}
            welcome = self.bus.ask("hello", self.node, self.order, hello, self.token, timeout=_ANSWER)
            self.token = max(self.token, welcome.token)
            self.first_ids = {**self.first_ids, **welcome.first_ids}
            self._next[camera] = welcome.seen[camera] + 1
            self._kept[camera] = deque(maxlen=KEPT)
            self.live[camera] = True

    def send(self, messages: Sequence[TrackletMessage]) -> Sent:
        """Number and send messages; never blocks for an answer."""
        with self._busy:
            batches, pieces = [], []
            for message in messages:
                name = message.frame.camera
                batch = TrackletBatch(self._next[name], message)
                self._next[name] += 1
                data = encode(batch, self.form)
                self._kept[name].append((batch.sequence, batch.time, data))
                batches.append(batch)
                pieces.append(data)
                self.sent_tracks += len(message.ids)
            data = b"".join(pieces)
            self.sent_bytes += len(data)
            since = min((batch.time for batch in batches), default=-1e18)
            return Sent(tuple(batches), since, self._submit(since, data), self.generation)

    def send_again(self, sent: Sent) -> Sent:
        """Ask for the answer to batches once more."""
        with self._busy:
            data = b"".join(encode(batch, self.form) for batch in sent.batches)
            return Sent(sent.batches, sent.since, self._submit(sent.since, data), self.generation)

    def ask_again(self, wanted: Collection[tuple[str, int]]) -> list[Call]:
        """Ask for answers that were lost.

        Args:
            wanted: camera and sequence number of batches that were sent.

        Returns:
            The calls under way; none for what is no longer kept, or while the service is out of reach.
        """
        with self._busy:
            rows = sorted(
                (time, sequence, data)
                for name in {camera for camera, _ in wanted}
                for sequence, time, data in self._kept.get(name, ())
                if (name, sequence) in wanted
            )
            return self._submit_pieces(rows)

    def leave(self) -> None:
        """The service is out of reach: send nothing until `reconnect`."""
        with self._busy:
            self._away = True

    def reconnect(self, generation: int) -> list[Call]:
        """Say hello again, and send what the service has not decided; nothing if that was done since `generation`.

        Returns:
            The calls under way.

        Raises:
            TimeoutError, BusLostError: the service does not answer.
            ClaimError: another node has a camera now.
        """
        with self._busy:
            if generation != self.generation:
                return []
            welcome = self._hello()
            waiting = [
                (time, sequence, data)
                for name, kept in self._kept.items()
                for sequence, time, data in kept
                if sequence > welcome.seen[name]
            ]
            LOG.warning("node %s: the identity service is back; %d batches are sent again", self.node, len(waiting))
            self._away = False
            calls = self._submit_pieces(sorted(waiting))
            if self._ended:
                self.end(self._ended)
            return calls

    def end(self, cameras: Iterable[str]) -> None:
        """No more batches of these cameras come; told again after a reconnection."""
        with self._busy:
            self._ended |= set(cameras)
            try:
                self.bus.ask("end", self.node, sorted(self._ended), timeout=_ANSWER)
            except (BusLostError, TimeoutError):
                LOG.warning("node %s: the identity service does not answer", self.node)

    def release(self, cameras: Iterable[str]) -> None:
        """Another node is to follow these cameras: what was sent of them counts, and no more comes from here."""
        gone = set(cameras)
        with self._busy:
            for name in gone:
                for known in (self.live, self._kept, self._next):
                    known.pop(name, None)
            self._ended -= gone
            try:
                self.bus.ask("end", self.node, sorted(gone), True, timeout=_ANSWER)
            except (BusLostError, TimeoutError):
                LOG.warning("node %s: the identity service does not answer", self.node)

    def _hello(self) -> Welcome:
        hellos = {name: CameraHello(live, self._rates.get(name), self._first(name)) for name, live in self.live.items()}
        welcome: Welcome = self.bus.ask("hello", self.node, self.order, hellos, self.token, timeout=_ANSWER)
        self.token = max(self.token, welcome.token)
        self.generation += 1
        return welcome

    def _first(self, camera: str) -> int | None:
        """The earliest batch that can be sent; None before the first."""
        kept = self._kept[camera]
        return kept[0][0] if kept else self._next[camera] if self.generation else None

    def _submit(self, since: float, data: bytes) -> Call | None:
        if self._away:
            return None
        return self.bus.submit(self.node, self.order, self.token, since, data, self._heard(self.token))

    def _submit_pieces(self, rows: Sequence[tuple[float, int, bytes]]) -> list[Call]:
        calls = [self._submit(piece[0][0], b"".join(one[2] for one in piece)) for piece in _pieces(rows)]
        return [call for call in calls if call is not None]


def _pieces(rows: Sequence[tuple[float, int, bytes]]) -> list[list[tuple[float, int, bytes]]]:
    """Split what is sent again into calls of a bounded size."""
    found: list[list[tuple[float, int, bytes]]] = []
    room = 0
    for row in rows:
        if not found or room < len(row[2]):
            found.append([])
            room = _PIECE
        found[-1].append(row)
        room -= len(row[2])
    return found
