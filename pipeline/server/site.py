"""The site: the engine and everything that the server knows beside it; `site_opening` puts it together."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.postprocess.waiting_events import named_spools
from relaytrack.pipeline.results.requests import Request, Requests
from relaytrack.pipeline.results.run_lock import RunLock
from relaytrack.pipeline.runtime.request_watch import RequestWatch
from relaytrack.pipeline.runtime.snapshot import Snapshot
from relaytrack.pipeline.server.access.accounts import Accounts
from relaytrack.pipeline.server.access.audit import AuditLog
from relaytrack.pipeline.server.access.login_limits import LoginLimits
from relaytrack.pipeline.server.doubts import Doubts
from relaytrack.pipeline.server.event_log import EventLog, site_event
from relaytrack.pipeline.server.floor import SiteFloor
from relaytrack.pipeline.server.forgetting import check_known, erase_forgotten, forget_person, said
from relaytrack.pipeline.server.live.audience import Audience
from relaytrack.pipeline.server.live.hls import HlsStreams
from relaytrack.pipeline.server.looks import Looks
from relaytrack.pipeline.server.people import People
from relaytrack.pipeline.server.recent_log import RecentLog
from relaytrack.pipeline.server.recordings import Recordings
from relaytrack.pipeline.server.site_engine import PeopleSaid, SiteEngine
from relaytrack.pipeline.server.site_file import SiteFile
from relaytrack.pipeline.server.store import SiteStore

LOG = logging.getLogger("relaytrack.server")
DAY = 86_400.0
_LAST_MOMENT = 1.0  # seconds that somebody's forgetting gets at the end; the next start goes on with it


@dataclass(slots=True)
class Site:
    """What the routes work with.

    Attributes:
        config: the site's settings as they hold now.
        file: the YAML file that changes are written to.
        pipeline: the engine.
        store, events, people, live: the site's memory and the receivers of the engine's steps.
        hls: the live video in segments.
        recordings: what of which moment is on the disk.
        floor: who is where on the floor, for calibrated cameras.
        corrections, looks: what operators say of identities; the networks for searching.
        doubts: decisions about people that somebody should look at.
        accounts, logins, audit: who may do what.
        log: the last lines of the log.
        started: `time.monotonic()` of the start.
        changing: held while a camera or the file is changed.
        correcting: held while people are merged or split.
        lock: held while this site runs in its folder.
        requests: people to forget; what is asked for stands in the folder until it is done, also over a restart.
        watch: carries them out.
    """

    config: Config
    file: SiteFile
    pipeline: SiteEngine
    store: SiteStore
    events: EventLog
    people: People
    live: Audience
    hls: HlsStreams
    recordings: Recordings
    floor: SiteFloor
    corrections: PeopleSaid
    looks: Looks
    doubts: Doubts
    accounts: Accounts
    logins: LoginLimits
    audit: AuditLog
    log: RecentLog
    started: float
    changing: threading.RLock
    correcting: threading.RLock
    lock: RunLock
    requests: Requests = field(init=False)
    watch: RequestWatch = field(init=False)
    _newest: tuple[float, Snapshot] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.requests = Requests(self.folder)
        self.watch = RequestWatch(self.requests, self.answer, failed=self._tell_failed, patience=_LAST_MOMENT)
        self.log.attach()

    def snapshot(self, age: float = 0.5) -> Snapshot:
        """The run at most `age` seconds ago: many viewers ask for the same."""
        now = time.monotonic()
        if self._newest is None or now - self._newest[0] > age:
            self._newest = now, self.pipeline.status()
        return self._newest[1]

    @property
    def folder(self) -> Path:
        """The site's own folder."""
        return Path(self.config.server.dir)

    def stop(self) -> None:
        """Let readers go and end the engine."""
        self.watch.close()
        self.live.close()
        self.events.close()
        self.pipeline.stop()

    def close(self, timeout: float = 4.0) -> None:
        """Wait for the engine and close the memory."""
        self.stop()
        try:
            self.pipeline.join(timeout)
        except Exception as error:  # also the tracker's and the embedder's
            LOG.warning("the run ended: %s", one_line(error))
        try:
            erase_forgotten(self.store, self.pipeline.config.output.store)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close what is open of a site that has ended, or that does not start."""
        self.store.close()
        self.lock.release()
        self.log.detach()

    def forget(self, person: int, *, delete_videos: bool = False) -> None:
        """Forget a person everywhere; see `relaytrack.pipeline.server.forgetting`.

        Raises:
            OutputError, SinkError, TrackerError: something cannot be written; a second call goes on with the rest.
        """
        running = self.pipeline.status().state == "running"
        engine = self.pipeline.corrector() if running else None
        held = named_spools(self.pipeline.config.sinks) if running else ()
        forget_person(self.store, self.people, person, engine=engine, held=held, delete_videos=delete_videos)

    def begin_forgetting(self, person: int) -> int:
        """Forget a person: the page's part at once, the engine's and the videos' soon after; the request's number.

        Raises:
            OutputError: it cannot be noted; nobody is forgotten then.
        """
        number = self.requests.ask("forget", {"person": person, "delete_videos": False}, "begun")
        try:
            self.people.forget(person)
        except OutputError as error:  # the watch tries it again, and tells of it
            LOG.warning("person %d: %s", person, error)
        return number

    def answer(self, request: Request) -> str:
        """Carry out a request to forget somebody.

        Raises:
            InputError: there is no such person.
            OutputError, SinkError, TrackerError: as of `forget`.
        """
        person = int(request.wanted["person"])
        if request.state == "asked":
            check_known(self.people, person)
            self.audit.note("command line", "person forgotten", identity=person)
            self.requests.note(request.id, "begun")
        self.forget(person, delete_videos=bool(request.wanted["delete_videos"]))
        self.audit.note("server", "forgotten everywhere", identity=person)
        return said(person)

    def _tell_failed(self, request: Request, reason: str) -> None:
        """An event for whoever looks: somebody is not forgotten everywhere yet."""
        what = f"person {request.wanted['person']}: {reason}"
        try:
            self.events.add([site_event("forgetting_failed", reason=what)])
        except OutputError as error:
            LOG.warning("event forgetting_failed: %s", error)
