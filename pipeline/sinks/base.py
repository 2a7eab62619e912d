"""What a sink is: a receiver of the run's steps, on a thread of its own."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, runtime_checkable

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.results.correction import Correction

__all__ = ["CameraSink", "CorrectedSink", "OnError", "ResumedSink", "Sink", "Step", "WhenFull"]

WhenFull: TypeAlias = Literal["block", "drop_oldest"]
"""What happens to a step while a sink's queue is full: the run waits, or the oldest waiting step is dropped."""

OnError: TypeAlias = Literal["fail", "disable", "retry", "resume"]
"""What happens when a sink fails: the run ends, the sink is left out from then on, it gets the step again, or that step
is lost and it begins its files anew with a later one."""


class Sink(Protocol):
    """Receives what a run finds.

    Whatever happens between two calls, a killed process included, leaves readable files; after `close` they are
    complete. All calls come from one thread, the sink's own.

    A sink may declare more, as attributes of its class or of the object; `pipeline.runtime.sink_host` looks for:

    * `needs_pixels: bool` (False): steps come with `images`, people hidden in them where the run hides people;
    * `needs_drawn: bool` (False): steps come with `drawn`. Both are asked anew before every step, so that a sink may
      want pictures only while somebody looks;
    * `name: str`: what messages and figures call it (the class's name);
    * `when_full: WhenFull` and `on_error: OnError`: how it is treated (the run's defaults);
    * the method of `ResumedSink`: it begins its files anew after a failure, where it is treated so;
    * the method of `CorrectedSink`: it is told of people who are merged, split or forgotten while the run goes on;
    * the methods of `CameraSink`: it is told of cameras that come and go.
    """

    def write(self, step: Step) -> None:
        """Take one step; steps come in time order.

        Raises:
            OutputError: it cannot be written (disk full, ...).
        """

    def close(self) -> None:
        """Complete every file; a second call does nothing.

        Raises:
            OutputError: a file cannot be completed.
        """


@runtime_checkable
class CameraSink(Protocol):
    """A sink that wants to know which cameras there are."""

    def camera_added(self, camera: CameraConfig) -> None:
        """A camera joins the run, or goes on with other settings; called before its first step."""

    def camera_removed(self, name: str) -> None:
        """A camera has left the run; none of its frames follow."""


@runtime_checkable
class ResumedSink(Protocol):
    """A sink that can go on after a failure (`on_error` is "resume")."""

    def resume(self) -> None:
        """Let go of the files that are open; those that the next step opens are new ones."""


@runtime_checkable
class CorrectedSink(Protocol):
    """A sink that keeps something of people, and changes it when they are corrected by hand."""

    def corrected(self, correction: Correction) -> None:
        """People are merged, split or forgotten; steps that come later show it already.

        Raises:
            OutputError: what is kept cannot be changed.
        """
