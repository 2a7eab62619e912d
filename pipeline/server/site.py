"""The site: the engine and everything that the server knows beside it, put together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.names import SINKS
from relaytrack.pipeline.config.output import SinkConfig
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import ConfigError, OutputError, RelayTrackError
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.results.requests import Request, Requests
from relaytrack.pipeline.results.run_lock import RunLock
from relaytrack.pipeline.runtime.request_watch import RequestWatch
from relaytrack.pipeline.runtime.snapshot import Snapshot
from relaytrack.pipeline.server.access.accounts import Accounts
from relaytrack.pipeline.server.access.audit import AuditLog
from relaytrack.pipeline.server.access.login_limits import LoginLimits
from relaytrack.pipeline.server.doubts import Doubts
from relaytrack.pipeline.server.event_log import EventLog
from relaytrack.pipeline.server.floor import SiteFloor
from relaytrack.pipeline.server.forgetting import SITE, check_known, forget_person, said
from relaytrack.pipeline.server.live.audience import Audience
from relaytrack.pipeline.server.live.hls import HlsStreams
from relaytrack.pipeline.server.live.hub import LiveHub
from relaytrack.pipeline.server.looks import Looks
from relaytrack.pipeline.server.people import People
from relaytrack.pipeline.server.recent_log import RecentLog
from relaytrack.pipeline.server.recordings import Recordings
from relaytrack.pipeline.server.site_engine import PeopleSaid, SiteEngine
from relaytrack.pipeline.server.site_file import SiteFile
from relaytrack.pipeline.server.store import SiteStore
from relaytrack.trackers import IdentityStore

LOG = logging.getLogger("relaytrack.server")
DAY = 86_400.0
_LAST_MOMENT = 1.0  # seconds that somebody's forgetting gets at the end; the next start goes on with it
_RETURN_RATIO = 0.3
"""At a site people come back; see `IdentityParams.return_ratio`."""


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
        except (RelayTrackError, TimeoutError) as error:
            LOG.warning("the run ended: %s", " ".join(str(error).split()))
        erase_forgotten(self.store, self.pipeline.config.output.store)
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
        forget_person(self.store, self.people, person, engine=engine, delete_videos=delete_videos)

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
            self.events.add([_event("forgetting_failed", reason=what)])
        except OutputError as error:
            LOG.warning("event forgetting_failed: %s", error)


def _event(kind: str, **content: Any) -> dict[str, Any]:
    """An event of the site's own, as the engine's events are."""
    date = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"event": kind, "time": 0.0, "date": date, "camera": "", "track": 0, "identity": 0, **content}


def erase_forgotten(store: SiteStore, identities: str | None) -> None:
    """Take the people who were forgotten out of the association's own file; no engine may have it open.

    While it runs it keeps them in memory, and would write them again.
    """
    known = [row["identity"] for row in store.rows("SELECT identity FROM forgotten")]
    if not known or identities is None or not Path(identities).exists():
        return
    with IdentityStore(identities) as file:
        file.forget(known)
    with store.writing() as database:
        database.execute("DELETE FROM forgotten")


def open_site(
    config: Config,
    file: SiteFile,
    *,
    make: Callable[..., SiteEngine] = Pipeline,
    live: Audience | None = None,
    **parts: Any,
) -> Site:
    """Put a site together; the engine is not started.

    Args:
        config: the settings.
        file: where they came from.
        make: makes the engine.
        live: gets the live pictures, where others than the engine's steps bring them.
        parts: handed to the engine, as `detector=...`.

    Raises:
        ConfigError: a setting is of no use.
        OutputError: the site's folder cannot be written.
    """
    settings = config.server
    folder = Path(settings.dir)
    store = SiteStore(folder / SITE)
    lock = RunLock(folder)
    if not lock.acquire():
        store.close()
        raise ConfigError(f"{folder}: another server is running there; choose another --dir, or end it")
    retain = None if settings.retain_days is None else settings.retain_days * DAY
    events = EventLog(store, retain=retain)

    def returned(identity: int, camera: str, track: int) -> None:
        events.add([_event("watched", camera=camera, track=track, identity=identity)])

    settled = running(config)
    erase_forgotten(store, settled.output.store)  # after a kill the last end could not
    people = People(store, retain=retain, on_return=returned)
    doubts = Doubts(store)
    floor = SiteFloor()
    live = live or LiveHub()
    current = None if settled.output.dir is None else settled.output.folder
    recordings = Recordings(
        None if current is None else current.parent, current, retain=retain, limit=config.output.disk_limit_gb * 1e9
    )
    if current is not None:
        store.note_place("run", current)
    if settled.output.store is not None:
        store.note_place("identities", Path(settled.output.store))
    pipeline = make(settled, until="stopped", sinks=[events, people, live, recordings, floor], **parts)
    corrections, looks = pipeline.corrections, Looks()
    corrections.recall(people.merged(), doubts.cannot_link())

    def networks(perception: Perception) -> None:
        looks.perception = perception

    pipeline.on_networks = networks
    pipeline.earlier = people.earlier()
    return Site(
        config=config,
        file=file,
        pipeline=pipeline,
        store=store,
        events=events,
        people=people,
        live=live,
        hls=HlsStreams(live),
        recordings=recordings,
        floor=floor,
        corrections=corrections,
        looks=looks,
        doubts=doubts,
        accounts=Accounts(folder / "accounts.json", session_seconds=settings.session_hours * 3600),
        logins=LoginLimits(store),
        audit=AuditLog(folder / "audit.jsonl"),
        log=RecentLog(),
        started=time.monotonic(),
        changing=threading.RLock(),
        correcting=threading.RLock(),
        lock=lock,
    )


def running(config: Config) -> Config:
    """The settings as a service runs them: lost cameras are tried again, a failure ends nothing, identities stay.

    Files of a run are written only where `output.dir` is set, each start in a folder of its own. The mosaic is left
    out unless it is asked for: the page shows the cameras side by side.
    """
    output, given = config.output, config.output.model_fields_set
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    changed: dict[str, Any] = {"on_error": "resume", "report": False}
    keeps = "dir" in given and output.dir is not None
    changed["dir"] = str(_fresh(Path(output.folder) / stamp)) if keeps else None
    changed["mosaic"] = output.mosaic and "mosaic" in given
    if output.store is None:
        changed["store"] = str(Path(config.server.dir) / "identities.sqlite")
    networks = config.input.networks if config.server.networks is None else config.server.networks
    retry = config.input.model_copy(update={"on_start_failure": "retry", "networks": networks})
    sinks = tuple(_with_spool(sink, Path(config.server.dir) / "spool") for sink in config.sinks)
    ratio = config.identities.return_ratio
    identities = replace(config.identities, return_ratio=_RETURN_RATIO if ratio is None else ratio)
    output = output.model_copy(update=changed)
    return config.model_copy(update={"output": output, "input": retry, "sinks": sinks, "identities": identities})


def _with_spool(sink: SinkConfig, folder: Path) -> SinkConfig:
    """A sink whose unsent events wait in the site's folder, where the next start finds them."""
    if sink.name not in SINKS or "spool" in sink.options:
        return sink
    return sink.model_copy(update={"options": {**sink.options, "spool": str(folder / f"{sink.name}.db")}})


def _fresh(folder: Path) -> Path:
    """A folder that is not there yet: two starts within one second do not share one."""
    found, number = folder, 1
    while found.exists():
        number += 1
        found = folder.with_name(f"{folder.name}-{number}")
    return found


__all__ = ["ConfigError", "Site", "open_site", "running"]
