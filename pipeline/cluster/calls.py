"""The calls of the nodes that wait for answers."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from relaytrack.pipeline.cluster.answers import Answers, BatchAnswer
from relaytrack.pipeline.cluster.batches import TrackletBatch
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.trackers import Revision

MOST_TOLD = 5_000  # identities of a node; then it is told all colours anew
_MOST_KEPT = 10_000  # corrections of a node that it has not said to have


@dataclass(slots=True, eq=False)
class WaitingCall:
    """One call: its batches, the answers so far, and the future that brings them.

    Attributes:
        again: the node asks for a batch a second time, so that it may not have got the first answer and its colours.
    """

    node: str
    batches: list[TrackletBatch]
    answers: dict[tuple[str, int], BatchAnswer] = field(default_factory=dict)
    future: Future[bytes] = field(default_factory=Future)
    again: bool = False


@dataclass(slots=True, eq=False)
class _Node:
    """What a node has been told.

    Attributes:
        revisions: corrections that it has not said to have; corrections: how many there have been.
        colored: the identities whose colours it knows.
    """

    revisions: deque[Revision] = field(default_factory=lambda: deque(maxlen=_MOST_KEPT))
    corrections: int = 0
    colored: set[int] = field(default_factory=set)


class WaitingCalls:
    """All calls that wait, and the corrections that each node has still to be told.

    A correction goes out with every answer to the node until the node has said that it has it: an answer may be lost.
    """

    def __init__(self) -> None:
        self._awaited: dict[tuple[str, int], list[WaitingCall]] = defaultdict(list)
        self._nodes: dict[str, _Node] = {}

    def greet(self, node: str) -> None:
        """A node begins, or has lost answers: it is told all colours anew."""
        self._of(node).colored.clear()

    def forget(self, node: str) -> None:
        """A node follows no camera any more; should it come back, it says itself how many corrections it has."""
        self._nodes.pop(node, None)

    def wait(self, call: WaitingCall, batch: TrackletBatch) -> None:
        """The call waits for this batch's answer."""
        waiting = self._awaited[batch.camera, batch.sequence]
        call.again |= bool(waiting)
        waiting.append(call)

    def correct(self, node: str, change: Revision) -> None:
        """Tell a node of a correction with its next answers."""
        known = self._of(node)
        known.revisions.append(change)
        known.corrections += 1

    def heard(self, node: str, number: int) -> None:
        """A node has all corrections up to this number."""
        known = self._of(node)
        while known.revisions and known.corrections - len(known.revisions) < number:
            known.revisions.popleft()
        known.corrections = max(known.corrections, number)

    def answer(self, answers: Iterable[BatchAnswer], token: int, colors: IdentityColors) -> None:
        """Hand out answers; a call that has all of its own is over."""
        for one in answers:
            for call in self._awaited.pop((one.camera, one.sequence), ()):
                call.answers[one.camera, one.sequence] = one
                self.reply(call, token, colors)

    def reply(self, call: WaitingCall, token: int, colors: IdentityColors) -> None:
        """End a call if all its answers are there."""
        if len(call.answers) < len(call.batches) or call.future.done():
            return
        batches = tuple(call.answers[batch.camera, batch.sequence] for batch in call.batches)
        known = self._nodes.get(call.node) or _Node()  # of one that was forgotten, its last calls
        shown = {identity for one in batches for identity in one.global_ids.tolist()} - {0}
        new = shown if call.again else shown - known.colored
        painted = {identity: colors.of(identity) for identity in sorted(new)}
        known.colored |= new
        if len(known.colored) > MOST_TOLD:
            known.colored.clear()
        changes = tuple(known.revisions)
        call.future.set_result(Answers(token, batches, changes, painted, known.corrections).to_bytes())

    def _of(self, node: str) -> _Node:
        return self._nodes.setdefault(node, _Node())

    def fail(self, error: BaseException) -> None:
        """End all calls."""
        calls = [call for waiting in self._awaited.values() for call in waiting]
        self._awaited.clear()
        for call in calls:
            if not call.future.done():
                call.future.set_exception(error)
