"""`/api/v1/cameras/NAME/live`: moving pictures over a WebSocket.

The server sends, for `codec=jpeg`, one binary message per picture: 8 bytes (big-endian float64, seconds since 1970)
and a JPEG. For `codec=h264` it sends `{"type": "init", "codec": "avc1..."}` as text, then binary messages with the same
8 bytes before a piece of fragmented mp4. Every second it sends `{"type": "state", ...}`. The client sends nothing.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from relaytrack.pipeline.server.access.guard import is_admitted
from relaytrack.pipeline.server.api.context import until_gone
from relaytrack.pipeline.server.descriptions import failure_of
from relaytrack.pipeline.server.live.viewer import Codec, Viewer
from relaytrack.pipeline.server.site import Site

router = APIRouter(tags=["live"])
_SLOW = 10.0  # seconds in which a viewer must take a message


@router.websocket("/cameras/{name}/live")
async def live(socket: WebSocket, name: str, codec: Annotated[Codec, Query()] = "jpeg") -> None:
    """Pictures of a camera until either side closes the connection."""
    site: Site = socket.app.state.site
    if name not in {camera.name for camera in site.pipeline.cameras}:
        await socket.close(4404)
        return
    await socket.accept()
    leaving = asyncio.create_task(until_gone(socket))
    try:
        with site.live.watching(name, codec) as viewer:
            await _send(socket, site, name, viewer, leaving)
    except (WebSocketDisconnect, RuntimeError, TimeoutError, OSError):
        pass  # gone, or too slow to be worth waiting for
    finally:
        leaving.cancel()
        with suppress(Exception):
            await asyncio.wait_for(socket.close(), 1.0)


async def _send(socket: WebSocket, site: Site, name: str, viewer: Viewer, leaving: asyncio.Task[None]) -> None:
    told = 0.0
    while not (viewer.closed or leaving.done() or site.live.closed):
        if time.monotonic() > told + 1.0:
            told = time.monotonic()
            if not is_admitted(socket):
                await socket.close(4401)
                return
            async with asyncio.timeout(_SLOW):
                await socket.send_text(json.dumps(_state(site, name, viewer)))
        packet = await viewer.next(0.5)
        if packet is None:
            continue
        async with asyncio.timeout(_SLOW):
            if packet.kind == "init":
                await socket.send_text(json.dumps({"type": "init", "codec": packet.codec}))
            await socket.send_bytes(packet.message)


def _state(site: Site, name: str, viewer: Viewer) -> dict[str, Any]:
    status = site.snapshot().cameras.get(name)
    if status is None:
        return {"type": "state", "state": "ended", "lost": viewer.lost}
    return {
        "type": "state",
        "state": status.state,
        "rate": round(status.rate, 1),
        "age_ms": None if status.age_p50 is None else round(1000 * status.age_p50),
        "people": 0 if status.tracks is None else len(status.tracks),
        "error": failure_of(name, status.error),
        "lost": viewer.lost,
    }
