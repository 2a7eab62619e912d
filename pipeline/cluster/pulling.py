"""Fetches what the programs of a cluster have ready for the machine that serves the site, a thread for each program."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from relaytrack.pipeline.cluster.live_packets import Wanted
from relaytrack.pipeline.cluster.member import Member
from relaytrack.pipeline.cluster.outbox import Inbox, Message
from relaytrack.pipeline.cluster.ray_actors import Pulled
from relaytrack.pipeline.runtime.sink_thread import SinkState, SinkStatus

LOG = logging.getLogger("relaytrack.cluster")
_CHECK = 1.0  # seconds


class Puller:
    """Asks one program again and again; one call at a time is on its way.

    Args:
        ray: the module, connected.
        member: the program.
        take: told of every message, one after the other.
        wanted: tells what somebody looks at.
    """

    def __init__(self, ray: Any, member: Member, take: Callable[[Message], None], wanted: Callable[[], Wanted]) -> None:
        self.member = member
        self._ray, self._take, self._wanted = ray, take, wanted
        self._inbox = Inbox()
        self._piece = 0  # number of the last piece that arrived
        self._messages = self._waiting = self._dropped = 0
        self._seconds = 0.0
        self._emptied = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pull", daemon=True)
        self._thread.start()

    def drain(self, timeout: float) -> None:
        """Fetch what is there, and end; the program has ended its work."""
        self._emptied.clear()
        self._emptied.wait(timeout)
        self.close()
        self._thread.join(timeout)

    def close(self) -> None:
        """Fetch nothing more."""
        self._closed.set()

    def status(self) -> SinkStatus:
        """How much came, waits there, and was lost."""
        state: SinkState = "running" if self._thread.is_alive() else "closed"
        seconds = round(self._seconds, 4)
        return SinkStatus(state, self._messages, self._dropped, self._waiting, seconds, None)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                pulled = self._ask()
            except self._ray.exceptions.ActorUnavailableError:  # the line is cut; the program may be there again
                self._closed.wait(_CHECK)
                continue
            except self._ray.exceptions.RayError:
                return  # the program is lost; the crew gives its cameras to another one
            if pulled is None:
                return
            self._waiting, self._dropped = pulled.waiting, pulled.dropped
            begun = time.perf_counter()
            self._piece = pulled.number
            for message in self._inbox.feed(pulled.data):
                self._messages += 1
                try:
                    self._take(message)
                except Exception:
                    LOG.exception("a message of %s cannot be used", self.member.machine.address)
            self._seconds += time.perf_counter() - begun
            if not pulled.data:
                self._emptied.set()

    def _ask(self) -> Pulled | None:
        """What the program has ready; None when nothing is wanted any more."""
        asked = self.member.actor.pull.remote(self._wanted(), self._piece)
        while not self._ray.wait([asked], timeout=_CHECK)[0]:
            if self._closed.is_set():
                return None
        found: Pulled = self._ray.get(asked)
        return found


class Pullers:
    """Fetches from all programs of a site.

    Args:
        ray: the module.
        take: gets each message.
        wanted: says what is wanted beside the steps.
    """

    def __init__(self, ray: Any, take: Callable[[Message], None], wanted: Callable[[], Wanted]) -> None:
        self._ray, self._take, self._wanted = ray, take, wanted
        self._pullers: list[Puller] = []

    def follow(self, members: Sequence[Member]) -> None:
        """Fetch from these programs from now on, and from no others."""
        for puller in self._pullers:
            if puller.member not in members:
                puller.close()
        kept = [puller for puller in self._pullers if puller.member in members]
        known = [puller.member for puller in kept]
        kept += [Puller(self._ray, one, self._take, self._wanted) for one in members if one not in known]
        self._pullers = kept

    def status(self) -> dict[str, SinkStatus]:
        """How each is doing, by a name for people."""
        return {
            f"steps of program {number} on {puller.member.machine.address}": puller.status()
            for number, puller in enumerate(self._pullers, start=1)
        }

    def drain(self, timeout: float) -> None:
        """Fetch what is there, and end; `timeout` seconds at the most for each."""
        for puller in self._pullers:
            puller.drain(timeout)

    def close(self) -> None:
        """Fetch nothing more."""
        for puller in self._pullers:
            puller.close()
