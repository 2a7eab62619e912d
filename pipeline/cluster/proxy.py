"""The identity service as a node sees it: batches go out over the bus, identities come back.

While the service cannot be reached, a live node goes on with the identities that it knows, and gives people whom it
has not seen before a number of its own, above a thousand million; when the service is back, what was kept is sent
again, and corrections put the true identities in the place of those numbers. A recording waits instead.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from relaytrack.pipeline.cluster.answers import Answers
from relaytrack.pipeline.cluster.asked import AskedEmbeddings
from relaytrack.pipeline.cluster.batches import Form
from relaytrack.pipeline.cluster.bus import Bus, BusLostError
from relaytrack.pipeline.cluster.greetings import GapError
from relaytrack.pipeline.cluster.known_identities import KnownIdentities
from relaytrack.pipeline.cluster.late_answers import LateAnswers
from relaytrack.pipeline.cluster.link import Link, Sent
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.pipeline.identity.interface import IdentityStatus
from relaytrack.pipeline.identity.messages import IdentityAnswer, TrackletMessage
from relaytrack.trackers import GroundPlane

LOG = logging.getLogger("relaytrack.cluster")
_PAUSE = 0.3  # seconds between tries to reach the service
_GIVE_UP = 120.0  # seconds after which a recording gives up


@dataclass(frozen=True, slots=True)
class Ticket:
    """An answer that is on its way; `ClusterIdentities.submit` hands it out."""

    service: ClusterIdentities
    sent: Sent

    def result(self) -> IdentityAnswer:
        """Wait for the identities.

        Raises:
            ClaimError: another node follows a camera now.
            BusLostError: a recording's identity service was away for too long.
        """
        return self.service.wait(self.sent)


class ClusterIdentities:
    """See the module. It is an `IdentityService` for the cameras of one node.

    Args:
        bus: the way to the identity service.
        node: this node's name.
        order: the number of the order by which it follows its cameras.
        cameras: by name, whether it is live.
        form: of the embeddings; "compact" also leaves out those that nobody asks for.
        patience: seconds that a live node waits for an answer.

    Attributes:
        link: counts what went out.
        colors: the identities' colours as far as they were told.
        cut: seconds during which the service was out of reach.
    """

    def __init__(
        self,
        bus: Bus,
        node: str,
        order: int,
        cameras: Mapping[str, bool],
        *,
        form: Form = "compact",
        patience: float = 2.0,
    ) -> None:
        self._people = KnownIdentities(node)
        self.link = Link(bus, node, order, cameras, form=form, heard=self._people.heard)
        self.colors = self._people.colors
        self.cut = 0.0
        self._bus = bus
        self._live = any(cameras.values())
        self._patience = patience
        self._cameras = set(cameras)
        self._compact = form == "compact"
        self._asked = {name: AskedEmbeddings() for name in cameras} if form == "compact" else {}
        self._late = LateAnswers(self.link, self._people)
        self._away: float | None = None  # since when the service is out of reach
        self._messages = self._revisions = 0
        self._watermark: float | None = None
        self._closed = threading.Event()

    # what the engine calls

    def opened(self, rates: Mapping[str, float | None]) -> None:
        """The cameras are open: claim them.

        Raises:
            ClaimError: another node follows one of them.
            BusLostError: the identity service does not answer.
        """
        for name in set(rates) - set(self.link.live):
            raise RelayTrackError(f"camera {name!r} is not this node's")
        self._retry(lambda: self.link.open(rates), 10 * self._patience, "the identity service does not answer")

    def submit(self, messages: Sequence[TrackletMessage]) -> Ticket:
        """Send one moment's messages; the ticket brings the answer."""
        ready = []
        for message in messages:
            name = message.frame.camera
            message = replace(message, ids=message.ids + self.link.first_ids.get(name, 0))
            ready.append(self._asked[name].choose(message) if name in self._asked else message)
        self._messages += len(ready)
        self._watermark = max([self._watermark or 0.0, *(message.frame.time for message in ready)])
        return Ticket(self, self.link.send(ready))

    def update(self, messages: Sequence[TrackletMessage]) -> IdentityAnswer:
        """See `IdentityService.update`."""
        return self.submit(messages).result()

    def no_more(self) -> None:
        """All cameras of this node have ended."""
        self.link.end(self.link.live)

    def take(self, camera: str) -> None:
        """Follow a further live camera from now on.

        Raises:
            ClaimError: another node follows it.
            BusLostError: the identity service does not answer.
        """
        try:
            self.link.take(camera)
        except TimeoutError as error:
            raise BusLostError(f"the identity service does not answer ({error})") from None
        self._cameras.add(camera)
        if self._compact:
            self._asked[camera] = AskedEmbeddings()

    def release(self, cameras: Collection[str]) -> None:
        """Another node is to follow these cameras; the engine has let them go already."""
        self.link.release(cameras)

    def calibrate(self, camera: str, plane: GroundPlane | None) -> None:
        """See `IdentityService.calibrate`."""
        self._bus.ask("calibrate", camera, plane, timeout=self._patience)

    def forget(self, identities: Collection[int], tracks: Mapping[tuple[str, int], tuple[float, float]]) -> None:
        """See `IdentityService.forget`."""
        self._bus.ask("forget", sorted(identities), dict(tracks), timeout=self._patience)

    def final_identities(self) -> Mapping[tuple[str, int], int]:
        """See `IdentityService.final_identities`; of this node's cameras."""
        self.no_more()
        limit = time.monotonic() + (self._patience if self._live else 1e9)
        while time.monotonic() < limit:
            try:
                found = self._bus.ask("final", timeout=self._patience)
                return {key: identity for key, identity in found.items() if key[0] in self._cameras}
            except TimeoutError:
                continue
            except BusLostError:
                if not self._live:
                    self._reconnect(self.link.generation)
        return self._people.known()

    def status(self) -> IdentityStatus:
        """See `IdentityService.status`."""
        return IdentityStatus(self._watermark, self._messages, {}, self._revisions)

    def close(self) -> None:
        """Nothing is sent any more."""
        self._closed.set()

    # answers

    def wait(self, sent: Sent) -> IdentityAnswer:
        """See `Ticket.result`."""
        while True:
            answers = self._answers(sent)
            if isinstance(answers, Sent):
                sent = answers
                continue
            late = self._late.learn(away=answers is None)
            if answers is None:
                ids = tuple(batch.message.ids for batch in sent.batches)
                return IdentityAnswer(self._people.alone(sent.batches), ids, tuple(late))
            changes = (*late, *self._people.learn(answers))
            self._revisions += len(changes)
            told = {(one.camera, one.sequence): one for one in answers.batches}
            found = [told[batch.camera, batch.sequence] for batch in sent.batches]
            return IdentityAnswer(
                tuple(one.global_ids for one in found), tuple(one.track_ids for one in found), changes
            )

    def _answers(self, sent: Sent) -> Answers | Sent | None:
        """The answers; or what was sent again and is to be waited for; or None: go on without."""
        if sent.call is None:
            return None
        try:
            return Answers.from_bytes(sent.call.result(self._patience))
        except TimeoutError:
            if not self._live:  # it waits for other nodes, or was lost on its way
                return self.link.send_again(sent)
        except (BusLostError, GapError):
            if not self._live:
                self._reconnect(sent.generation)
                return self.link.send_again(sent)
        self._go_alone()
        return None

    def _reconnect(self, generation: int) -> None:
        """Reach the service again, however long it takes (a recording)."""
        why = f"the identity service was away for {_GIVE_UP:g} s"
        self._retry(lambda: self.link.reconnect(generation), _GIVE_UP, why)

    def _retry(self, action: Callable[[], object], seconds: float, failure: str) -> None:
        """Do something until the service answers, or this is closed."""
        limit = time.monotonic() + seconds
        while not self._closed.is_set():
            try:
                action()
                return
            except (BusLostError, TimeoutError) as error:
                if time.monotonic() > limit:
                    raise BusLostError(f"{failure} ({error})") from None
                self._closed.wait(_PAUSE)

    def _go_alone(self) -> None:
        """Go on without the service, and look for it beside the work (a live node)."""
        if self._away is not None:
            return
        self._away = time.monotonic()
        LOG.warning("node %s: the identity service is out of reach; going on with what is known", self.link.node)
        self.link.leave()
        threading.Thread(target=self._look, name="reconnect", daemon=True).start()

    def _look(self) -> None:
        while not self._closed.wait(_PAUSE):
            try:
                self._late.expect(self.link.reconnect(self.link.generation))
            except (BusLostError, TimeoutError):
                continue
            except RelayTrackError as error:
                LOG.error("node %s: %s", self.link.node, error)
                return
            self.cut += time.monotonic() - (self._away or time.monotonic())
            self._away = None
            return
