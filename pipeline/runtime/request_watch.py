"""Looks for corrections that are asked for through a folder, and has them carried out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import InputError, RelayTrackError
from relaytrack.pipeline.results.requests import Request, Requests
from relaytrack.trackers.errors import TrackerError

LOG = logging.getLogger("relaytrack.engine")
_LOOK = 0.5  # seconds between two looks
_PATIENCE = 60.0  # seconds that a request which is being carried out gets at the end
_AGAIN, _LONGEST = 30.0, 600.0  # seconds until what failed is tried again; each wait is twice the last one


class RequestWatch:
    """Looks twice a second, on a thread of its own.

    A request to forget somebody that fails, as on a full disk, is tried again until it is done, also by the next
    start in the folder. Any other request that fails is refused.

    Args:
        requests: of the folder.
        carry_out: does what is asked for and says so in one line; what it raises is the answer of a refusal. None:
            somebody else has done it and noted so.
        failed: told of a request that failed, with the reason, when that is another one than the last time.
        patience: seconds that a request which is being carried out gets at the end.
    """

    def __init__(
        self,
        requests: Requests,
        carry_out: Callable[[Request], str | None],
        *,
        failed: Callable[[Request, str], None] = lambda request, reason: None,
        patience: float = _PATIENCE,
    ) -> None:
        self._requests, self._carry_out, self._failed, self._patience = requests, carry_out, failed, patience
        self._ending = threading.Event()
        self._said = ""
        self._due: dict[int, tuple[float, float]] = {}  # when a request that failed is tried again, and the wait
        self._thread = threading.Thread(target=self._run, name="corrections", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it looks."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Look no more; a request that is being carried out is finished."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(self._patience)

    def _run(self) -> None:
        while not self._ending.wait(_LOOK):
            try:
                for request in self._requests.open():
                    due, _ = self._due.get(request.id, (0.0, 0.0))
                    if not self._ending.is_set() and time.monotonic() >= due:
                        self._answer(request)
            except RelayTrackError as error:
                if one_line(error) != self._said:  # it is tried twice a second, and said once
                    self._said = one_line(error)
                    LOG.warning("corrections: %s", self._said)

    def _answer(self, request: Request) -> None:
        try:
            answer = self._carry_out(request)
        except InputError as error:
            self._requests.note(request.id, "refused", answer=one_line(error))
        except (RelayTrackError, TrackerError) as error:
            self._fail(request, one_line(error))
        except Exception as error:  # a fault of ours: whoever waits is told, and the next request is carried out
            if not self._ending.is_set():
                LOG.exception("corrections")
            self._fail(request, f"{type(error).__name__}: {one_line(error)}")
        else:
            self._due.pop(request.id, None)
            if answer is not None:
                self._requests.note(request.id, "done", answer=answer)
                LOG.warning("%s", answer)

    def _fail(self, request: Request, reason: str) -> None:
        """Refuse a request, or let it be tried again. One that the end interrupts waits for the next start."""
        if self._ending.is_set():
            return
        if request.kind != "forget":
            self._requests.note(request.id, "refused", answer=reason)
            return
        wait = min(2 * self._due[request.id][1], _LONGEST) if request.id in self._due else _AGAIN
        self._due[request.id] = time.monotonic() + wait, wait
        if request.state != "failed" or request.answer != reason:
            LOG.error("person %s is not forgotten everywhere yet: %s", request.wanted.get("person"), reason)
            self._failed(request, reason)
        self._requests.fail(request.id, reason)
