"""The program that Ray runs on every machine: it follows cameras."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from relaytrack.pipeline.cluster.live_packets import Wanted
from relaytrack.pipeline.cluster.node_recordings import NodeRecordings
from relaytrack.pipeline.cluster.node_work import NodeWork
from relaytrack.pipeline.cluster.outbox import Message, Outbox
from relaytrack.pipeline.cluster.ray_bus import RayBus
from relaytrack.pipeline.cluster.work_order import WorkOrder, WorkStatus
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError, RelayTrackError
from relaytrack.pipeline.identity.network_mark import mark_of
from relaytrack.pipeline.share.starting import check_share_here
from relaytrack.reid.errors import ReidError

_WAIT = 0.2  # seconds


@dataclass(frozen=True, slots=True)
class Fitness:
    """Whether a machine can take part.

    Attributes:
        version: of RelayTrack there.
        threshold: the same-person threshold of its embedder's weights.
        weights: the file of the embedder's weights, without its folder.
        network: by what that network is known; see `mark_of`.
        problem: why it cannot; None where it can.
    """

    version: str
    threshold: float | None = None
    weights: str = ""
    network: bytes | None = field(default=None, repr=False)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was ready.

    Attributes:
        data: a piece of the stream; see `Outbox`.
        number: of the piece; the same as before where nothing was ready.
        waiting: messages that wait; dropped: that were lost since the start.
    """

    data: bytes
    number: int
    waiting: int
    dropped: int


class PerceptionActor:
    """Follows groups of cameras on one machine; several groups share the program and its libraries."""

    def __init__(self) -> None:
        self._work: dict[str, NodeWork] = {}
        self._reporting = threading.Lock()  # several calls may run at once
        self._recordings: dict[str, NodeRecordings] = {}
        self._outbox = Outbox()
        self._outbox.more = self._next_picture

    def fitness(self, config: str) -> Fitness:
        """Load the networks once, and say whether that went well."""
        from relaytrack.pipeline import build

        here = version("relaytrack")
        try:
            check_share_here(Config.model_validate_json(config))
            perception = build.create_perception(Config.model_validate_json(config))
        except (RelayTrackError, ReidError, ValueError) as error:
            return Fitness(here, problem=" ".join(str(error).split()))
        embedder: Any = perception.embedder
        path = getattr(embedder, "weights", None)
        return Fitness(here, getattr(embedder, "threshold", None), getattr(path, "name", ""), mark_of(embedder))

    def start(self, order: WorkOrder) -> None:
        """Begin to follow the cameras of an order.

        Raises:
            RelayTrackError: see `Pipeline.start`.
        """
        work = NodeWork(order, RayBus(), self._outbox)
        self._work[order.node] = work
        try:
            work.start()
        except BaseException:
            del self._work[order.node]
            raise

    def status(self) -> list[WorkStatus]:
        """How the pieces of work are doing; work of a served site that has ended is reported once and then dropped."""
        with self._reporting:
            found = [work.status() for work in list(self._work.values())]
            over = [one.node for one in found if one.snapshot is not None and one.state == "ended"]
            ended = [self._work.pop(node) for node in over]
        for work in ended:
            work.close()
        return found

    def tell(self, command: str, *words: Any) -> None:
        """Tell all work that goes on something; see `far_people.Command`.

        Raises:
            RelayTrackError: what the work refused.
        """
        for work in list(self._work.values()):
            if work.status().state == "running":
                getattr(work, command)(*words)

    def pull(self, wanted: Wanted, after: int) -> Pulled:
        """What is ready for the machine that serves the site; waits a moment if nothing is.

        Args:
            wanted: what somebody looks at on its page.
            after: number of the last piece that arrived there.
        """
        for work in list(self._work.values()):
            work.want(wanted)
        number, data = self._outbox.piece(after, _WAIT)
        return Pulled(data, number, len(self._outbox), self._outbox.dropped)

    def _next_picture(self) -> Message | None:
        for work in list(self._work.values()):
            message = work.next_picture()
            if message is not None:
                return message
        return None

    def stop(self) -> None:
        """End all work soon and cleanly."""
        for work in list(self._work.values()):
            work.stop()

    def of_camera(self, node: str, command: str, word: str) -> None:
        """Carry out a command for a camera; see `far_cameras.Command` and the methods of `NodeWork` of these names.

        Raises:
            RelayTrackError: what the work refused.
        """
        if node not in self._work:
            raise ConfigError(f"{node} has ended")
        getattr(self._work[node], command)(word)

    def recorded(self, root: str, question: str, words: tuple[Any, ...]) -> Any:
        """Answer a question about what lies on this machine; see `far_recordings.Question`.

        Args:
            root: folder of the starts' folders.
            question: the name of a method of `NodeRecordings`.
            words: what it is given.
        """
        if root not in self._recordings:
            self._recordings.setdefault(root, NodeRecordings(root))  # another call may be faster
        return getattr(self._recordings[root], question)(*words)

    def release(self, node: str, cameras: Sequence[str]) -> None:
        """See `NodeWork.release`."""
        self._work[node].release(cameras)

    def files(self, node: str) -> list[str]:
        """See `NodeFiles.names`."""
        return self._work[node].files.names()

    def read(self, node: str, name: str, start: int) -> bytes:
        """See `NodeFiles.read`."""
        return self._work[node].files.read(name, start)
