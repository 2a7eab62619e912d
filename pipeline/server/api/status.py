"""`/api/v1/status`, `/counts`, `/tracks`, `/config`, `/audit`: the site at present."""

from __future__ import annotations

import resource
import shutil
import sys
import threading
import time
from dataclasses import asdict
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from relaytrack.pipeline.config.schema import EventsConfig
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.server.api.context import Admin, TheSite, Viewer
from relaytrack.pipeline.server.count_history import count_history
from relaytrack.pipeline.server.descriptions import describe_tracks
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.site import Site

router = APIRouter(tags=["site"])
_SETTABLE = {
    "server.name",
    "server.retain_days",
    "server.session_hours",
    "output.trail",
    "output.zones",
    "output.anonymise",
}


class Setting(BaseModel):
    """A setting's new value."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    value: bool | int | float | str | None


def describe_site(site: Site) -> dict[str, Any]:
    """The site at present."""
    snapshot = site.pipeline.status()
    usage = shutil.disk_usage(site.folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "name": site.config.server.name,
        "state": snapshot.state,
        "error": snapshot.error,
        "uptime": round(time.monotonic() - site.started, 1),
        "now": time.time(),
        "present": len(snapshot.present),
        "identities": snapshot.identities,
        "revisions": 0 if snapshot.service is None else snapshot.service.revisions,
        "viewers": sum(site.live.viewers().values()),
        "receivers": {name: asdict(status) for name, status in snapshot.sinks.items()},
        "memory": memory_in_use() or peak,
        "memory_peak": peak,
        "threads": threading.active_count(),
        "disk_free": usage.free,
        "disk_total": usage.total,
        "version": version("relaytrack"),
        "python": sys.version.split()[0],
    }


def memory_in_use() -> int | None:
    """Bytes of memory in use, where the system tells."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return None


@router.get("/status")
def status(site: TheSite, _: Viewer) -> dict[str, Any]:
    """The site: people, receivers, memory, disk, versions."""
    return describe_site(site)


@router.get("/tracks")
def tracks(site: TheSite, _: Viewer) -> dict[str, Any]:
    """Who is in every camera's last frame, with boxes."""
    cameras = site.pipeline.status().cameras.values()
    return {"cameras": [describe_tracks(camera.tracks) for camera in cameras if camera.tracks is not None]}


@router.get("/counts")
def counts(site: TheSite, _: Viewer) -> dict[str, Any]:
    """Per camera what its zones and lines have counted since the start."""
    return {"cameras": {name: dict(zones) for name, zones in site.pipeline.status().zones.items()}}


@router.get("/counts/history")
def history(
    site: TheSite,
    _: Viewer,
    since: Annotated[float | None, Query(description="seconds since 1970; an hour ago", ge=0, le=1e11)] = None,
    until: Annotated[float | None, Query(description="seconds since 1970; now", ge=0, le=1e11)] = None,
    step: Annotated[float, Query(description="seconds", ge=1, le=1e7)] = 300.0,
) -> dict[str, Any]:
    """How many came into each zone and crossed each line, step by step; also from before this start."""
    end = time.time() if until is None else until
    begin = end - 3600.0 if since is None else since
    try:
        found = count_history(site.store, begin, end, step)
    except ValueError as error:
        raise ProblemError(422, str(error), field="step") from None
    return {"since": begin, "until": end, "step": step, "counts": [asdict(one) for one in found]}


@router.get("/config")
def config(site: TheSite, _: Admin) -> dict[str, Any]:
    """All settings, without passwords; cameras as they are now."""
    content = site.pipeline.config.model_copy(update={"cameras": site.pipeline.cameras}).public()
    return {"config": content, "file": site.file.path.name, "history": site.file.history()}


@router.put("/config/{key}")
def set_config(site: TheSite, caller: Admin, key: str, setting: Setting) -> dict[str, Any]:
    """Write a setting to the site's file; it holds after the next start.

    Only settings that cannot reach files, networks or programs: `server.name`, `server.retain_days`,
    `server.session_hours`, `output.trail`, `output.zones`, `output.anonymise` and those of `events`.
    """
    section, _, name = key.partition(".")
    if not (key in _SETTABLE or (section == "events" and name in EventsConfig.model_fields)):
        raise ProblemError(422, "key: this setting can be changed in the site's file only", field="key")
    try:
        site.file.set(key, setting.value)
    except ConfigError as error:
        raise ProblemError(422, f"value: {error}", field="value") from None
    site.audit.note(caller.name, "setting changed", key=key)
    return {"key": key, "value": setting.value, "holds": "after the next start"}


@router.get("/audit")
def audit(site: TheSite, _: Admin, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> dict[str, Any]:
    """The last entries of the audit log, newest first."""
    return {"entries": site.audit.recent(limit)}
