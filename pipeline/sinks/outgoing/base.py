"""What the outgoing sinks share: settings, the thread that sends, and what a way of sending must do."""

from __future__ import annotations

import importlib.util
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from relaytrack.pipeline.backoff import Backoff
from relaytrack.pipeline.config.urls import fill_variables, redact_url
from relaytrack.pipeline.errors import ConfigError, OutputError
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.sinks.outgoing.spool import Message, Spool
from relaytrack.reid.paths import plain_path

LOG = logging.getLogger("relaytrack.sinks")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between tries
_LAST_WORDS = 2.0  # seconds in which a run that ends may still send
_TRIES = 5  # of events that the receiver refuses


class DeliveryError(Exception):
    """The receiver has not got the events; they are sent again.

    Args:
        reason: in a few words, without any address.
        refused: these very events are refused; after a few tries they are given up.
        pause: seconds that the receiver asks to wait.
    """

    def __init__(self, reason: str, *, refused: bool = False, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.refused, self.pause = refused, pause


class OutgoingSettings(BaseModel):
    """Options of every outgoing sink."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    site: str = Field(default="site", pattern=r"^[A-Za-z0-9_-]+$", description="this installation, in topics and keys")
    spool: Annotated[str, AfterValidator(plain_path)] | None = Field(
        default=None, description="file in which unsent events wait; default: spool/NAME.db in the run's folder"
    )
    spool_mb: float = Field(default=200.0, gt=0, le=100_000, description="beyond it the oldest unsent events go")
    timeout: float = Field(default=10.0, gt=0, le=600, description="seconds in which the receiver must answer")


class Transport(Protocol):
    """One way to a receiver. All calls come from the sender's thread."""

    batch: int
    """Events sent at once at the most."""

    def refresh(self) -> None:
        """Bring the receiver up to date with what is no event (states); called before every `send`, and without one.

        Raises:
            DeliveryError: the receiver cannot be reached.
        """

    def send(self, messages: Sequence[Message]) -> None:
        """Hand over events in their order, connecting first if need be; returns when the receiver has them all.

        Raises:
            DeliveryError: it has not, or not all.
        """

    def close(self) -> None:
        """Let the connection go."""


class OutgoingSink:
    """Puts every event into a spool, from which a thread sends.

    Each event arrives at least once and in order, with an `id` by which a receiver knows it again.

    Args:
        name: what messages call it.
        transport: the way out.
        settings: the shared options.
        folder: the run's folder, None where it leaves none.

    Raises:
        OutputError: the spool cannot be used.
        ConfigError: there is no folder for the spool.
    """

    def __init__(self, name: str, transport: Transport, settings: OutgoingSettings, folder: Path | None) -> None:
        if settings.spool is None and folder is None:
            raise ConfigError(f"sink {name!r}: the run has no output folder: name a file for unsent events (spool)")
        path = Path(settings.spool) if settings.spool else Path(folder or "") / "spool" / f"{name}.db"
        self.name = name
        self.transport = transport
        self.spool = Spool(path, limit=int(settings.spool_mb * 1e6))
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._end = float("inf")  # time.monotonic() at which the sender gives up
        self._closed = self._failing = self._disk_failing = False
        self._thread = threading.Thread(target=self._run, name=f"send-{name}", daemon=True)
        self._thread.start()

    def write(self, step: Step) -> None:
        """Put the step's events into the spool; what the disk cannot take is told to the receiver as a gap."""
        if not step.events:
            return
        try:
            self.spool.add(event.model_dump(mode="json") for event in step.events)
        except OutputError as error:
            if not self._disk_failing:
                LOG.warning("%s; events for %s are lost until it works again", error, self.name)
            self._disk_failing = True
        else:
            self._disk_failing = False
            self._wake.set()

    def corrected(self, correction: Correction) -> None:
        """Take out of the spool what tells of a person who is forgotten.

        Raises:
            OutputError: the spool cannot be written.
        """
        if correction.kind == "forget":
            self.spool.forget(correction)

    def close(self) -> None:
        """Send for another two seconds at the most; the rest waits in the spool for the next run."""
        if self._closed:
            return
        self._closed = True
        self._end = time.monotonic() + _LAST_WORDS
        self._ending.set()
        self._wake.set()
        self._thread.join(_LAST_WORDS + 1.0)
        if self._thread.is_alive():  # it hangs in the network; the process takes it along
            return
        left = len(self.spool)
        if left:
            LOG.warning("%d events for %s wait for the next run with this folder", left, self.name)
        self.spool.close()

    # the sender's thread

    def _run(self) -> None:
        backoff, tries = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, None), 0
        try:
            while True:
                self._wake.clear()
                try:
                    messages = self._send_some()
                except DeliveryError as error:
                    tries = tries + 1 if error.refused else 0
                    self._failed(str(error))
                    if tries >= _TRIES:
                        self._give_up()
                        tries = 0
                    if self._ending.wait(max(backoff.pause(), error.pause)):
                        return
                    continue
                except OutputError as error:
                    self._failed(str(error))
                    if self._ending.wait(_LONGEST_PAUSE):
                        return
                    continue
                backoff.reset()
                tries = 0
                if messages:
                    self._works()
                if self._ending.is_set() and (not messages or time.monotonic() > self._end):
                    return
                if not messages:
                    self._wake.wait()
        finally:
            try:
                self.transport.close()
            except Exception as error:
                LOG.debug("%s: %s", self.name, redact_url(str(error)))

    def _send_some(self) -> int:
        messages = self.spool.take(self.transport.batch)
        try:
            self.transport.refresh()
            if messages:
                self.transport.send(messages)
        except DeliveryError:
            raise
        except Exception as error:  # of a client library; whatever it is, the events stay
            raise DeliveryError(type(error).__name__) from error
        if messages:
            self.spool.done(messages)
        return len(messages)

    def _give_up(self) -> None:
        messages = self.spool.take(self.transport.batch)
        LOG.warning("%s refused %d events for good; they are not sent again", self.name, len(messages))
        self.spool.refused(messages)

    def _failed(self, reason: str) -> None:
        if not self._failing:
            LOG.warning("%s: %s; events wait and are sent again", self.name, " ".join(redact_url(reason).split()))
        self._failing = True

    def _works(self) -> None:
        if self._failing:
            LOG.warning("%s takes events again", self.name)
        self._failing = False


def filled(settings: BaseModel, name: str) -> dict[str, Any]:
    """The settings with every `${NAME}` in a text filled from the environment.

    Raises:
        ConfigError: a variable is not set.
    """
    values = settings.model_dump()
    return {
        key: fill_variables(value, f"sink {name!r}: {key}") if isinstance(value, str) else value
        for key, value in values.items()
    }


def needs(module: str, package: str) -> None:
    """Refuse settings of a sink whose library is not installed.

    Raises:
        ValueError: it is not.
    """
    if importlib.util.find_spec(module) is None:
        raise ValueError(f"needs {package}: pip install 'relaytrack[events]'")
