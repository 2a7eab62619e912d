"""The two kinds of programs that Ray runs: the identity service, and those that follow cameras."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from relaytrack.pipeline.cluster.bus import Question
from relaytrack.pipeline.cluster.greetings import DeskStatus
from relaytrack.pipeline.cluster.node_work import NodeWork, WorkOrder, WorkStatus
from relaytrack.pipeline.cluster.ray_bus import RayBus
from relaytrack.pipeline.cluster.site import open_desk
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.reid.errors import ReidError


@dataclass(frozen=True, slots=True)
class Fitness:
    """Whether a machine can take part.

    Attributes:
        version: of RelayTrack there.
        threshold: the same-person threshold of its embedder's weights.
        weights: the file of the embedder's weights, without its folder.
        problem: why it cannot; None where it can.
    """

    version: str
    threshold: float | None = None
    weights: str = ""
    problem: str | None = None


class IdentityActor:
    """The identity service. Ray starts it again when it dies; it goes on from its checkpoint.

    Args:
        config: the site's configuration as JSON.
        threshold: the same-person threshold.
        zero: seconds since 1970 at the run's time 0.
    """

    def __init__(self, config: str, threshold: float | None, zero: float) -> None:
        self._desk = open_desk(Config.model_validate_json(config), threshold, zero)

    async def submit(self, node: str, order: int, token: int, since: float, data: bytes) -> bytes:
        """See `IdentityDesk.submit`."""
        return await asyncio.wrap_future(self._desk.submit(node, order, token, since, data))

    async def ask(self, question: Question, words: tuple[Any, ...]) -> Any:
        """See `Bus.ask`."""
        answer = getattr(self._desk, question)(*words)
        return await asyncio.wrap_future(answer) if isinstance(answer, Future) else answer

    async def status(self) -> DeskStatus:
        """See `IdentityDesk.status`."""
        return self._desk.status()

    async def close(self, forget: bool) -> None:
        """See `IdentityDesk.close`."""
        self._desk.close(forget=forget)


class PerceptionActor:
    """Follows groups of cameras on one machine; several groups share the program and its libraries."""

    def __init__(self) -> None:
        self._work: dict[str, NodeWork] = {}

    def fitness(self, config: str) -> Fitness:
        """Load the networks once, and say whether that went well."""
        from relaytrack.pipeline import build

        here = version("relaytrack")
        try:
            perception = build.create_perception(Config.model_validate_json(config))
        except (RelayTrackError, ReidError, ValueError) as error:
            return Fitness(here, problem=" ".join(str(error).split()))
        embedder: Any = perception.embedder
        path = getattr(embedder, "weights", None)
        return Fitness(here, getattr(embedder, "threshold", None), getattr(path, "name", ""))

    def start(self, order: WorkOrder) -> None:
        """Begin to follow the cameras of an order.

        Raises:
            RelayTrackError: see `Pipeline.start`.
        """
        work = NodeWork(order, RayBus())
        self._work[order.node] = work
        try:
            work.start()
        except BaseException:
            del self._work[order.node]
            raise

    def status(self) -> list[WorkStatus]:
        """How the pieces of work are doing."""
        return [work.status() for work in list(self._work.values())]

    def stop(self) -> None:
        """End all work soon and cleanly."""
        for work in list(self._work.values()):
            work.stop()

    def release(self, node: str, cameras: Sequence[str]) -> None:
        """See `NodeWork.release`."""
        self._work[node].release(cameras)

    def files(self, node: str) -> list[str]:
        """See `NodeWork.files`."""
        return self._work[node].files()

    def read(self, node: str, name: str, start: int) -> bytes:
        """See `NodeWork.read`."""
        return self._work[node].read(name, start)
