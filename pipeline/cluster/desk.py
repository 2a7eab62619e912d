"""The identity service of a cluster: takes the nodes' batches, decides them in order of time, answers each node.

It is plain Python with one thread of its own; `bus` carries calls to it, within a process or over Ray.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future

from relaytrack.pipeline.cluster.answers import Rgb
from relaytrack.pipeline.cluster.batches import TrackletBatch, decode_all
from relaytrack.pipeline.cluster.calls import WaitingCall, WaitingCalls
from relaytrack.pipeline.cluster.checkpoint import Checkpoints, FencedError
from relaytrack.pipeline.cluster.claims import Claims
from relaytrack.pipeline.cluster.greetings import CameraHello, DeskStatus, GapError, Welcome
from relaytrack.pipeline.cluster.memory import Memory
from relaytrack.pipeline.cluster.watermark import WatermarkMerge
from relaytrack.trackers import GroundPlane

LOG = logging.getLogger("relaytrack.cluster")
_DEFAULT_FPS = 25.0
_SHARE = 20.0  # a checkpoint that took t seconds is followed by none for this many times t
_POLL = 0.02

FinalIds = dict[tuple[str, int], int]


class IdentityDesk:
    """See the module.

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
        self._live, self._window, self._every = live, window, every
        self._checkpoints = checkpoints
        self.token = 1 if checkpoints is None else checkpoints.token
        self._received = dict(memory.seen)
        self._claims = Claims()
        self._first_ids: dict[tuple[str, str, int], int] = {}
        self._rates: dict[str, float | None] = {}
        self._merge = WatermarkMerge(window or 0.5 / _DEFAULT_FPS, wait)
        self._calls = WaitingCalls()
        self._lost: Counter[str] = Counter()
        self._sets = self._batches = self._tracks = self._repeated = self._bytes = 0
        self._due = self._seconds = 0.0
        self._asked: list[Future[FinalIds]] = []
        self._result: FinalIds | None = None
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
        memory = self._memory
        with self._changed:
            self._check(token)
            self._claims.take(node, order, cameras)
            self._calls.greet(node)
            self._result = None  # not the last word, then
            for name, about in cameras.items():
                key = (name, node, order)
                if about.live and about.first is None:  # it begins, perhaps once more
                    self._first_ids[key] = memory.first_id(name)
                self._first_ids.setdefault(key, 0)
                self._rates[name] = about.fps or self._rates.get(name)
                dropped = self._merge.drop(name)
                if about.live:  # whoever had it before waits for the answer, and has other cameras
                    self._calls.answer([memory.again(one) for one in dropped], self.token, memory.colors)
                self._merge.open(name, live=about.live)
                seen = memory.seen.get(name, 0)
                if about.first is not None and about.first > seen + 1:
                    self._lost[name] += about.first - seen - 1
                    memory.seen[name] = about.first - 1
                self._received[name] = memory.seen.get(name, 0)
            if self._window is None:
                self._merge.window = 0.5 / max(rate or _DEFAULT_FPS for rate in self._rates.values())
            self._changed.notify_all()
            return Welcome(
                self.token,
                {name: self._received[name] for name in cameras},
                {name: self._first_ids[name, node, order] for name in cameras},
            )

    def submit(self, node: str, order: int, token: int, since: float, data: bytes) -> Future[bytes]:
        """Take a node's batches of one moment; the future brings `Answers` as bytes.

        Args:
            node: its name, as of `hello`.
            order: the same.
            token: the highest token that the node knows.
            since: none of the node's cameras comes with an earlier time any more.
            data: `TrackletBatch`es as bytes.

        Raises:
            ClaimError: another node follows a camera.
            GapError: batches before these have not arrived, or the node has not said hello to this service.
            FencedError: there is a newer identity service.
            InputError: the bytes are no batches.
        """
        call = WaitingCall(node, decode_all(data))
        with self._changed:
            self._check(token)
            reached = dict(self._received)
            for batch in call.batches:
                self._claims.check(node, order, batch.camera)
                if batch.sequence > reached.get(batch.camera, 0) + 1:
                    raise GapError(f"camera {batch.camera!r}: batches before {batch.sequence} are missing")
                reached[batch.camera] = max(batch.sequence, reached.get(batch.camera, 0))
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
        future: Future[FinalIds] = Future()
        with self._changed:
            self._asked.append(future)
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
                lost=dict(self._lost),
                waiting=sum(self._merge.waiting().values()),
                nodes={name: self._claims.holder(name) for name in self._rates},
                seen=dict(self._memory.seen),
                checkpoint_bytes=self._bytes,
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
                self._keep()
        finally:
            if self._checkpoints is not None:
                (self._checkpoints.remove if forget else self._checkpoints.close)()
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
            for future in self._asked:
                if not future.done():
                    future.set_exception(error)
            self._asked.clear()

    def _take(self, call: WaitingCall, batch: TrackletBatch) -> None:
        """Queue a batch, or answer one that was decided before."""
        if batch.sequence <= self._memory.seen.get(batch.camera, 0):
            self._repeated += 1
            call.again = True
            call.answers[batch.camera, batch.sequence] = self._memory.again(batch)
            return
        self._calls.wait(call, batch)
        if batch.sequence > self._received.get(batch.camera, 0):
            self._received[batch.camera] = batch.sequence
            self._merge.put(batch, time.monotonic())

    def _work(self) -> None:
        try:
            while (chosen := self._wait()) is not None:
                with self._changed:
                    self._decide(chosen)
                if time.monotonic() >= self._due and not self._memory.service.correcting:
                    self._keep()
        except BaseException as error:
            LOG.error("identities: %s", error)
            self._fail(error)

    def _wait(self) -> list[TrackletBatch] | None:
        """The next set; None when the service is closed."""
        with self._changed:
            while not self._closed and self._failure is None:
                complete = self._live or all(name in self._rates for name in self._expected)
                chosen = self._merge.take(time.monotonic()) if complete else []
                if chosen:
                    return chosen
                if complete and self._rates and self._merge.over:
                    self._finish()
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

    def _finish(self) -> None:
        """Answer those who asked for the last word."""
        if self._asked and self._result is None:
            self._result = dict(self._memory.service.final_identities())
        for future in self._asked:
            if self._result is not None and not future.done():
                future.set_result(self._result)
        self._asked.clear()

    def _keep(self) -> None:
        """Write a checkpoint; the next one waits in proportion to the time that this one took."""
        if self._checkpoints is None:
            return
        started = time.monotonic()
        with self._changed:
            self._bytes = self._checkpoints.write(self._memory)
        self._due = time.monotonic() + max(self._every, _SHARE * (time.monotonic() - started))
