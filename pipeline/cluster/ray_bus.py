"""The bus over Ray: calls to the identity actor. Small words and answers travel in the calls, not in Ray's store."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from relaytrack.pipeline.cluster.bus import BusLostError, Call, Question
from relaytrack.pipeline.errors import RelayTrackError

NAMESPACE = "relaytrack"
IDENTITIES = "identities"
"""Name of the identity actor in the namespace; a cluster follows one site."""


class RayBus:
    """Finds the identity actor by its name, again where it was lost."""

    def __init__(self) -> None:
        self._actor: Any = None
        self._finding = threading.Lock()

    def submit(self, node: str, order: int, token: int, since: float, data: bytes, heard: int = 0) -> Call:
        """See `Bus.submit`."""
        try:
            return _RayCall(self._found().submit.remote(node, order, token, since, data, heard), self)
        except BusLostError as error:
            failed: Future[bytes] = Future()
            failed.set_exception(error)
            return failed

    def ask(self, question: Question, *words: Any, timeout: float | None = None) -> Any:
        """See `Bus.ask`."""
        return _RayCall(self._found().ask.remote(question, words), self).result(timeout)

    def forget(self) -> None:
        """Look for the actor anew with the next call."""
        with self._finding:
            self._actor = None

    def _found(self) -> Any:
        import ray
        from ray.exceptions import RayError

        with self._finding:
            if self._actor is None:
                try:
                    self._actor = ray.get_actor(IDENTITIES, namespace=NAMESPACE)
                except (ValueError, RayError, ConnectionError, TimeoutError) as error:
                    raise BusLostError(f"Ray knows no identity service ({type(error).__name__})") from None
            return self._actor


class _RayCall:
    """An answer on its way through Ray, whose errors become those of the bus."""

    def __init__(self, reference: Any, bus: RayBus) -> None:
        self._reference, self._bus = reference, bus

    def result(self, timeout: float | None = None) -> Any:
        import ray
        from ray.exceptions import GetTimeoutError, RayError, RayTaskError

        try:
            return ray.get(self._reference, timeout=timeout)
        except GetTimeoutError:
            raise TimeoutError("no answer of the identity service yet") from None
        except RayTaskError as error:
            if isinstance(error.cause, RelayTrackError):
                raise error.cause from None
            raise
        except (RayError, ConnectionError) as error:
            self._bus.forget()
            raise BusLostError(f"the identity service is gone ({type(error).__name__})") from None
