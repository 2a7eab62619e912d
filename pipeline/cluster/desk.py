"""The identity service of a cluster: takes the nodes' batches, decides them in order of time, answers each node.

It is plain Python with one thread of its own; `bus` carries calls to it, within a process or over Ray.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future

from relaytrack.pipeline.cluster.answers import Rgb
from relaytrack.pipeline.cluster.batches import TrackletBatch, decode_all
from relaytrack.pipeline.cluster.calls import WaitingCall, WaitingCalls
from relaytrack.pipeline.cluster.camera_streams import CameraStreams
from relaytrack.pipeline.cluster.checkpoint import Checkpoints, FencedError
from relaytrack.pipeline.cluster.greetings import CameraHello, DeskStatus, Welcome
from relaytrack.pipeline.cluster.last_word import FinalIds, LastWord
from relaytrack.pipeline.cluster.memory import Memory
from relaytrack.pipeline.cluster.memory_keeper import MemoryKeeper
from relaytrack.trackers import GroundPlane

LOG = logging.getLogger("relaytrack.cluster")
_POLL = 0.02


class IdentityDesk:
    """Takes the nodes' batches, decides them in order of time, and answers each node.

    Args:
        memory: the association, new or from the last checkpoint.
        cameras: those of the site; a run over recordings begins when all have said hello.
        window: seconds that the batches of a set may lie apart; None: half the shortest frame interval.
        wait: seconds that a live set waits for a camera.
        checkpoints: where the memory is kept; None keeps none.
        every: least seconds between checkpoints.
        live: whether the site is live.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        cameras: Sequence[str],
        window: float | None = None,
        wait: float = 0.2,
        checkpoints: Checkpoints | None = None,
        every: float = 1.0,
        live: bool = False,
    ) -> None:
        self._memory = memory
        self._expected = list(cameras)
        self._live = live
        self._keeper = MemoryKeeper(checkpoints, every)
        self.token = 1 if checkpoints is None else checkpoints.token
        self._streams = streams = CameraStreams(memory, window, wait)
        self._claims, self._merge = streams.claims, streams.merge
        self._calls = WaitingCalls()
        self._sets = self._batches = self._tracks = self._repeated = 0
        self._seconds = 0.0
        self._last_word = LastWord()
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="identities", daemon=True)
        self._thread.start()

    # what nodes ask

    def hello(self, node: str, order: int, cameras: Mapping[str, CameraHello], token: int = 0) -> Welcome:
        """A node follows these cameras from now on, or comes back after it lost the service.

        Args:
            node: its name.
            order: the number of the order by which it follows them; see `Claims`.
            cameras: by name.
            token: the highest token that it knows.

        Raises:
            ClaimError: another node follows one of them.
            FencedError: there is a newer identity service.
        """
        with self._changed:
            self._check(token)
            for loser in self._claims.take(node, order, cameras):
                self._calls.forget(loser)
            self._calls.greet(node)
            self._last_word.take_back()
            for name, about in cameras.items():
                late = self._streams.begin(name, about)
                self._calls.answer(late, self.token, self._memory.colors)
            self._streams.fit_window()
            self._changed.notify_all()
            return Welcome(self.token, *self._streams.places(cameras))

    def submit(self, node: str, order: int, token: int, since: float, data: bytes, heard: int = 0) -> Future[bytes]:
        """Take a node's batches of one moment; the future brings `Answers` as bytes.

        Args:
            node: its name, as of `hello`.
            order: the same.
            token: the highest token that the node knows.
            since: none of the node's cameras comes with an earlier time any more.
            data: `TrackletBatch`es as bytes.
            heard: how many of this service's corrections the node has.

        Raises:
            ClaimError: another node follows a camera.
            GapError: batches before these have not arrived, or the node has not said hello to this service.
            FencedError: there is a newer identity service.
            InputError: the bytes are no batches.
        """
        call = WaitingCall(node, decode_all(data))
        with self._changed:
            self._check(token)
            self._streams.check(node, order, call.batches)
            self._calls.heard(node, heard)
            for batch in call.batches:
                self._take(call, batch)
            self._merge.not_before(self._claims.of(node), since)
            self._calls.reply(call, self.token, self._memory.colors)
            self._changed.notify_all()
        return call.future

    def end(self, node: str, cameras: Iterable[str], released: bool = False) -> None:
        """A node's cameras have ended; `released`: any node may follow them from now on."""
        with self._changed:
            own = [name for name in cameras if self._claims.holder(name) == node]
            self._merge.end(own)
            if released:
                self._claims.release(own)
            self._changed.notify_all()

    def final(self) -> Future[FinalIds]:
        """The identity of every (camera, track), once all cameras have ended."""
        with self._changed:
            future = self._last_word.ask()
            self._changed.notify_all()
        return future

    def calibrate(self, camera: str, plane: GroundPlane | None) -> None:
        """See `IdentityService.calibrate`."""
        self._memory.service.calibrate(camera, plane)

    def forget(self, identities: Collection[int], tracks: Mapping[tuple[str, int], tuple[float, float]]) -> None:
        """See `IdentityService.forget`."""
        self._memory.service.forget(identities, tracks)

    def colors(self) -> dict[int, Rgb]:
        """The colours of identities that were shown, where they are not the usual ones of their numbers."""
        with self._changed:
            return self._memory.colors.given()

    def clock(self) -> float:
        """Seconds since 1970 here: the reference of the site."""
        return time.time()

    def status(self) -> DeskStatus:
        """How the service is doing."""
        with self._changed:
            return DeskStatus(
                token=self.token,
                sets=self._sets,
                batches=self._batches,
                tracks=self._tracks,
                repeated=self._repeated,
                late=dict(self._merge.late),
                lost=dict(self._streams.lost),
                waiting=sum(self._merge.waiting().values()),
                nodes={name: self._claims.holder(name) for name in self._streams.rates},
                seen=dict(self._memory.seen),
                checkpoint_bytes=self._keeper.bytes,
                seconds=self._seconds,
            )

    def close(self, *, forget: bool = False) -> None:
        """End the thread, keep what is known, close the files; `forget` deletes the checkpoint instead."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(10.0)
        try:
            if not forget and self._failure is None:
                self._keeper.keep(self._memory, self._changed)
        finally:
            self._keeper.close(forget=forget)
            self._memory.service.close()

    # the inside

    def _check(self, token: int) -> None:
        if token > self.token:
            self._fail(FencedError(f"identity service {self.token} was replaced by {token}"))
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._calls.fail(error)
            self._last_word.fail(error)

    def _take(self, call: WaitingCall, batch: TrackletBatch) -> None:
        """Queue a batch, or answer one that was decided before."""
        if batch.sequence <= self._memory.seen.get(batch.camera, 0):
            self._repeated += 1
            call.again = True
            call.answers[batch.camera, batch.sequence] = self._memory.again(batch)
            return
        self._calls.wait(call, batch)
        self._streams.put(batch)

    def _work(self) -> None:
        try:
            while (chosen := self._wait()) is not None:
                with self._changed:
                    self._decide(chosen)
                if self._keeper.due() and not self._memory.service.correcting:
                    self._keeper.keep(self._memory, self._changed)
        except BaseException as error:
            LOG.error("identities: %s", error)
            self._fail(error)

    def _wait(self) -> list[TrackletBatch] | None:
        """The next set; None when the service is closed."""
        with self._changed:
            while not self._closed and self._failure is None:
                complete = self._live or all(name in self._streams.rates for name in self._expected)
                chosen = self._merge.take(time.monotonic()) if complete else []
                if chosen:
                    return chosen
                if complete and self._streams.rates and self._merge.over:
                    self._last_word.say(self._memory.service.final_identities)
                self._changed.wait(0.5 if self._merge.empty else _POLL)
        return None

    def _decide(self, batches: list[TrackletBatch]) -> None:
        started = time.thread_time()
        answer, answers = self._memory.decide(batches)
        self._seconds += time.thread_time() - started
        self._sets += 1
        self._batches += len(batches)
        self._tracks += sum(len(one.global_ids) for one in answers)
        for change in answer.revisions:
            holder = self._claims.holder(change.camera)
            if holder is not None:
                self._calls.correct(holder, change)
        self._calls.answer(answers, self.token, self._memory.colors)
