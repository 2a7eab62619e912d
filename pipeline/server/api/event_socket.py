"""`/api/v1/events/socket`: the same events as the stream, over a WebSocket.

Every message is a JSON object: first `{"type": "hello", "newest": ID}`, where some are deleted already, or the number
is none of this site's, `{"type": "gap", "after": ID, "oldest": ID}`, then `{"type": "event", "event": {...}}`, and
`{"type": "alive"}` after a while without any. The client sends nothing.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from relaytrack.pipeline.server.access.guard import is_admitted
from relaytrack.pipeline.server.api.context import MOST_NUMBER, until_gone
from relaytrack.pipeline.server.site import Site

router = APIRouter(prefix="/events", tags=["events"])
_SLOW = 10.0  # seconds in which a reader must take a message


@router.websocket("/socket")
async def socket(
    socket: WebSocket,
    since: Annotated[
        int | None, Query(description="the id of the last event that is known", ge=0, le=MOST_NUMBER)
    ] = None,
) -> None:
    """Events as they come; with `since` first those after that one."""
    site: Site = socket.app.state.site
    await socket.accept()
    leaving = asyncio.create_task(until_gone(socket))
    sending = asyncio.create_task(_send(socket, site, since))
    try:
        await asyncio.wait({leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (leaving, sending):
            task.cancel()
        await asyncio.gather(leaving, sending, return_exceptions=True)
        with suppress(Exception):
            await asyncio.wait_for(socket.close(), 1.0)


async def _send(socket: WebSocket, site: Site, since: int | None) -> None:
    log = site.events
    known = await asyncio.to_thread(log.resume, since)
    with suppress(WebSocketDisconnect, RuntimeError, TimeoutError, OSError):  # gone, or too slow
        await _put(socket, {"type": "hello", "newest": known.newest})
        if known.gap is not None:
            await _put(socket, {"type": "gap", **known.gap})
        async for found in log.follow(known.start):
            if not is_admitted(socket):
                await socket.close(4401)
                return
            if not found:
                await _put(socket, {"type": "alive"})
            for event in found:
                await _put(socket, {"type": "event", "event": json.loads(event.data)})


async def _put(socket: WebSocket, message: dict[str, Any]) -> None:
    await asyncio.wait_for(socket.send_text(json.dumps(message)), _SLOW)
