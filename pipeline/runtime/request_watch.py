"""Looks for corrections that are asked for through a folder, and has them carried out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from relaytrack.pipeline.config.urls import redact_url
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.pipeline.results.requests import Request, Requests
from relaytrack.trackers.errors import TrackerError

LOG = logging.getLogger("relaytrack.engine")
_LOOK = 0.5  # seconds between two looks
_PATIENCE = 60.0  # seconds that a request which is being carried out gets at the end


class RequestWatch:
    """Looks twice a second, on a thread of its own.

    Args:
        requests: of the folder.
        carry_out: does what is asked for and says so in one line; what it raises is the answer of a refusal.
    """

    def __init__(self, requests: Requests, carry_out: Callable[[Request], str]) -> None:
        self._requests, self._carry_out = requests, carry_out
        self._ending = threading.Event()
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="corrections", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; a request that is being carried out is finished."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        while not self._ending.wait(_LOOK):
            try:
                for request in self._requests.open():
                    if not self._ending.is_set():
                        self._answer(request)
            except RelayTrackError as error:
                if _one_line(error) != self._said:  # it is tried twice a second, and said once
                    self._said = _one_line(error)
                    LOG.warning("corrections: %s", self._said)

    def _answer(self, request: Request) -> None:
        try:
            answer = self._carry_out(request)
        except (RelayTrackError, TrackerError) as error:
            self._requests.note(request.id, "refused", answer=_one_line(error))
        except Exception as error:  # a fault of ours: whoever waits is told, and the next request is carried out
            LOG.exception("corrections")
            self._requests.note(request.id, "refused", answer=f"{type(error).__name__}: {_one_line(error)}")
        else:
            self._requests.note(request.id, "done", answer=answer)
            LOG.warning("%s", answer)


def _one_line(error: Exception) -> str:
    return " ".join(redact_url(str(error)).split())
