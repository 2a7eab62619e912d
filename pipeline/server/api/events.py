"""`/api/v1/events`: a list with filters, an export, and a stream that goes on where its reader stopped."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from relaytrack.pipeline.server.access.guard import is_admitted
from relaytrack.pipeline.server.api.context import Number, TheSite, Viewer, When, WhichCamera
from relaytrack.pipeline.server.event_log import EventLog, StoredEvent
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.site import Site

router = APIRouter(prefix="/events", tags=["events"])

Kinds = Annotated[list[str] | None, Query(description="kinds of events, all by default", max_length=20)]

_COLUMNS = (
    *("id", "event", "date", "time", "camera", "track", "identity", "zone", "line", "direction", "seconds", "old"),
    *("kind", "inside", "total", "forward", "backward", "frames", "reason"),
    *("state", "similarity", "margin", "rival", "nearest", "score"),
)


@router.get("")
def events(
    site: TheSite,
    _: Viewer,
    kind: Kinds = None,
    camera: WhichCamera = None,
    identity: Number | None = None,
    since: When = None,
    until: When = None,
    before: Annotated[Number | None, Query(description="only events with a smaller id")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """The last events, newest first."""
    found = site.events.find(
        kinds=kind or (),
        camera=camera,
        identity=identity,
        since=since,
        until=until,
        before=before,
        limit=limit,
        newest_first=True,
    )
    return {"events": [{**json.loads(event.data), "epoch": event.epoch} for event in found]}


def exported(
    site: TheSite,
    caller: Viewer,
    kind: Kinds = None,
    camera: WhichCamera = None,
    since: When = None,
    until: When = None,
) -> Iterator[list[StoredEvent]]:
    """The events that are exported, page by page; who asked is noted."""
    site.audit.note(caller.name, "events exported", since=since, until=until)
    return _pages(site.events, kind, camera, since, until)


Exported = Annotated[Iterator[list[StoredEvent]], Depends(exported)]


@router.get("/export.jsonl")
def export(pages: Exported) -> StreamingResponse:
    """All events that are kept, as JSON lines."""
    lines = ("".join(event.data + "\n" for event in page) for page in pages)
    return _file(lines, "application/x-ndjson", "events.jsonl")


@router.get("/export.csv")
def export_table(pages: Exported) -> StreamingResponse:
    """All events that are kept, as a table (CSV with a head line; what an event does not have stays empty)."""
    return _file(_table(pages), "text/csv; charset=utf-8", "events.csv")


def _pages(
    log: EventLog, kinds: list[str] | None, camera: str | None, since: float | None, until: float | None
) -> Iterator[list[StoredEvent]]:
    after = 0
    wanted = [kind for kind in kinds or () if kind]
    while found := log.find(after=after, kinds=wanted, camera=camera or None, since=since, until=until):
        after = found[-1].id
        yield found


def _table(pages: Iterator[list[StoredEvent]]) -> Iterator[str]:
    yield ",".join(_COLUMNS) + "\n"
    for page in pages:
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        for event in page:
            content = json.loads(event.data)
            content |= content.get("grounds") or {}
            rows.writerow([_cell(content.get(column)) for column in _COLUMNS])
        yield text.getvalue()


def _cell(value: Any) -> Any:
    """A value as a spreadsheet may have it: no text of ours begins a formula there."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def _file(lines: Iterator[str], media_type: str, name: str) -> StreamingResponse:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, media_type=media_type, headers=headers)


@router.get("/stream", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
def stream(
    request: Request,
    site: TheSite,
    _: Viewer,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    after: Annotated[Number | None, Query(description="as Last-Event-ID")] = None,
) -> StreamingResponse:
    """Server-Sent Events: new ones as they come; with `Last-Event-ID` first those since that one.

    Where some of them are deleted already, or the number is none of this site's, an event `gap` says so.
    """
    if last_event_id:  # also with `after`: browsers connect again to the same address and add the header
        if not last_event_id.isascii() or not last_event_id.isdecimal() or len(last_event_id) > 18:
            raise ProblemError(422, "Last-Event-ID is the id of an event", field="Last-Event-ID")
        after = int(last_event_id)
    return StreamingResponse(
        _stream(request, site, after), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )


async def _stream(request: Request, site: Site, after: int | None) -> AsyncIterator[str]:
    log = site.events
    known = await asyncio.to_thread(log.resume, after)
    yield f"retry: 2000\nid: {known.start}\nevent: hello\ndata: {json.dumps({'newest': known.newest})}\n\n"
    if known.gap is not None:
        yield f"event: gap\ndata: {json.dumps(known.gap)}\n\n"
    async for found in log.follow(known.start):
        if not is_admitted(request):
            return
        if not found:
            yield ": all is well\n\n"
        for event in found:
            yield f"id: {event.id}\nevent: message\ndata: {event.data}\n\n"
