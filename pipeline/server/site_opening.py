"""Puts a site together: its memory, its engine and the receivers of the engine's steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.identity.store_lock import need_free
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.postprocess.waiting_events import named_spools
from relaytrack.pipeline.results.run_lock import RunLock
from relaytrack.pipeline.server.access.accounts import Accounts
from relaytrack.pipeline.server.access.audit import AuditLog
from relaytrack.pipeline.server.access.login_limits import LoginLimits
from relaytrack.pipeline.server.doubts import Doubts
from relaytrack.pipeline.server.event_log import EventLog, site_event
from relaytrack.pipeline.server.floor import SiteFloor
from relaytrack.pipeline.server.forgetting import SITE, erase_forgotten
from relaytrack.pipeline.server.live.audience import Audience
from relaytrack.pipeline.server.live.hls import HlsStreams
from relaytrack.pipeline.server.live.hub import LiveHub
from relaytrack.pipeline.server.looks import Looks
from relaytrack.pipeline.server.people import People
from relaytrack.pipeline.server.recent_log import RecentLog
from relaytrack.pipeline.server.recordings import Recordings
from relaytrack.pipeline.server.site import DAY, Site
from relaytrack.pipeline.server.site_engine import SiteEngine
from relaytrack.pipeline.server.site_file import SiteFile
from relaytrack.pipeline.server.site_settings import running
from relaytrack.pipeline.server.store import SiteStore


def open_site(
    config: Config,
    file: SiteFile,
    *,
    make: Callable[..., SiteEngine] = Pipeline,
    live: Audience | None = None,
    recordings: Recordings | None = None,
    **parts: Any,
) -> Site:
    """Put a site together; the engine is not started.

    Args:
        config: the settings.
        file: where they came from.
        make: makes the engine.
        live: gets the live pictures, where others than the engine's steps bring them.
        recordings: finds recordings that lie elsewhere.
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
        events.add([site_event("watched", camera=camera, track=track, identity=identity)])

    settled = running(config)
    if make is Pipeline:
        try:
            need_free(settled.output.store)
        except ConfigError:
            lock.release()
            store.close()
            raise
    erase_forgotten(store, settled.output.store)  # after a kill the last end could not
    people = People(store, retain=retain, on_return=returned)
    doubts = Doubts(store)
    floor = SiteFloor()
    live = live or LiveHub()
    current = None if settled.output.dir is None or recordings is not None else settled.output.folder
    recordings = recordings or Recordings(
        None if current is None else current.parent, current, retain=retain, limit=config.output.disk_limit_gb * 1e9
    )
    if current is not None:
        store.note_place("run", current)
    if settled.output.store is not None:
        store.note_place("identities", Path(settled.output.store))
    for spool in named_spools(settled.sinks):
        store.note_place("spool", spool)
    pipeline = make(settled, until="stopped", sinks=[events, people, live, recordings, floor], **parts)
    corrections, looks = pipeline.corrections, Looks()
    corrections.recall(people.merged(), doubts.cannot_link())

    def networks(perception: Perception) -> None:
        looks.perception = perception

    pipeline.on_networks, pipeline.on_mark = networks, people.networks.use
    looks.load = pipeline.networks
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
