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
from pydantic import BaseModel, ConfigDict, Field

from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.runtime.snapshot import Snapshot
from relaytrack.pipeline.server.api.context import Admin, TheSite, Viewer
from relaytrack.pipeline.server.count_history import count_history
from relaytrack.pipeline.server.descriptions import describe_tracks
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.settings import SETTABLE, change_setting, settings_of
from relaytrack.pipeline.server.site import Site
from relaytrack.pipeline.server.typed_line import Line

router = APIRouter(tags=["site"])


class Setting(BaseModel):
    """A setting's new value."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    value: bool | int | float | Line | None
    before: bool | int | float | str | None = Field(
        default=None, description="the value as it was read; another one in between is a conflict"
    )


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
        "clock_ahead": round(snapshot.ahead, 1),
        "present": len(snapshot.present),
        "identities": snapshot.identities,
        "revisions": 0 if snapshot.service is None else snapshot.service.revisions,
        "viewers": sum(site.live.viewers().values()),
        "recording": describe_recording(site, snapshot),
        "stages": describe_stages(site, snapshot),
        "receivers": {name: asdict(status) for name, status in snapshot.sinks.items()},
        "memory": memory_in_use() or peak,
        "memory_peak": peak,
        "threads": threading.active_count(),
        "disk_free": usage.free,
        "disk_total": usage.total,
        "version": version("relaytrack"),
        "python": sys.version.split()[0],
    }


def describe_recording(site: Site, snapshot: Snapshot) -> dict[str, str | None]:
    """Whether recordings are written: "on", "off" or "stopped", with the error."""
    sinks = [sink for name, sink in snapshot.sinks.items() if name == "video" or name.startswith("video, ")]
    if not site.recordings.enabled or not sinks:
        return {"state": "off", "error": None}
    stopped = [sink for sink in sinks if sink.state in ("retrying", "disabled")]  # of a cluster, on some machine
    return {"state": "stopped" if stopped else "on", "error": stopped[0].error if stopped else None}


def describe_stages(site: Site, snapshot: Snapshot) -> dict[str, dict[str, float]]:
    """Per stage how many frames, crops or steps it did, their rate, and what one took; averages since the start."""
    passed = max(time.monotonic() - site.started, 1e-3)
    return {
        stage: {
            "count": figures["count"],
            "rate": round(figures["count"] / passed, 2),
            "ms": round(1000 * figures["seconds"] / max(figures["count"], 1), 2),
            "busy": round(figures["seconds"] / passed, 3),
        }
        for stage, figures in snapshot.stages.items()
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


@router.get("/settings")
def settings(site: TheSite, _: Admin) -> dict[str, Any]:
    """The settings that can be changed here: what the file says, and what this start took."""
    return {"settings": [asdict(one) for one in settings_of(site)]}


@router.put("/config/{key}")
def set_config(site: TheSite, caller: Admin, key: str, setting: Setting) -> dict[str, Any]:
    """Write a setting to the site's file, whose comments stay; the answer says whether it holds at once.

    Only settings that cannot reach files, networks or programs; `/api/v1/settings` lists them.
    """
    if key not in SETTABLE:
        raise ProblemError(422, "key: this setting can be changed in the site's file only", field="key")
    with site.changing:
        known = next(one.value for one in settings_of(site) if one.key == key)
        if "before" in setting.model_fields_set and setting.before != known:
            raise ProblemError(409, f"somebody else has set {key} to {known}", field="before")
        try:
            at_once = change_setting(site, key, setting.value)
        except ConfigError as error:
            raise ProblemError(422, f"value: {error}", field="value") from None
        site.audit.note(caller.name, "setting changed", key=key)
    return {"key": key, "value": setting.value, "holds": "at once" if at_once else "after the next start"}


@router.get("/log")
def log(site: TheSite, _: Admin, limit: Annotated[int, Query(ge=1, le=300)] = 100) -> dict[str, Any]:
    """The last lines of the server's log, newest first; since the start."""
    return {"lines": [asdict(line) for line in site.log.recent(limit)]}


@router.get("/audit")
def audit(site: TheSite, _: Admin, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> dict[str, Any]:
    """The last entries of the audit log, newest first."""
    return {"entries": site.audit.recent(limit)}
