"""The program that Ray runs once for a site: the identity service. It starts without the networks' libraries."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from typing import Any

from relaytrack.pipeline.cluster.bus import Question
from relaytrack.pipeline.cluster.greetings import DeskStatus
from relaytrack.pipeline.cluster.site import open_desk
from relaytrack.pipeline.config.schema import Config


class IdentityActor:
    """The identity service. Ray starts it again when it dies; it goes on from its checkpoint.

    Args:
        config: the site's configuration as JSON.
        threshold: the same-person threshold.
        zero: seconds since 1970 at the run's time 0.
        network: the mark of the embedder's network; None where it is not known.
    """

    def __init__(self, config: str, threshold: float | None, zero: float, network: bytes | None = None) -> None:
        self._desk = open_desk(Config.model_validate_json(config), threshold, zero, network)
        self._heard = time.monotonic()

    async def submit(self, node: str, order: int, token: int, since: float, data: bytes, heard: int = 0) -> bytes:
        """See `IdentityDesk.submit`."""
        self._heard = time.monotonic()
        return await asyncio.wrap_future(self._desk.submit(node, order, token, since, data, heard))

    async def ask(self, question: Question, words: tuple[Any, ...]) -> Any:
        """See `Bus.ask`."""
        self._heard = time.monotonic()
        answer = getattr(self._desk, question)(*words)
        return await asyncio.wrap_future(answer) if isinstance(answer, Future) else answer

    async def silent(self) -> float:
        """Seconds for which nobody has sent or asked anything."""
        return time.monotonic() - self._heard

    async def status(self) -> DeskStatus:
        """See `IdentityDesk.status`."""
        return self._desk.status()

    async def close(self, forget: bool) -> None:
        """See `IdentityDesk.close`."""
        self._desk.close(forget=forget)
