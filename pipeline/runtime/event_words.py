"""What the log says of events about cameras, recordings and the machine."""

from __future__ import annotations

from relaytrack.pipeline.events.schema import Event
from relaytrack.pipeline.events.site_events import (
    AdaptedEvent,
    CameraBackEvent,
    CameraLostEvent,
    ClockSetEvent,
    OverloadedEvent,
    RecordingBackEvent,
    RecordingLostEvent,
)


def said(event: Event) -> str:
    """One line for the log."""
    if isinstance(event, CameraLostEvent):
        return f"camera {event.camera} is lost: {event.reason}"
    if isinstance(event, CameraBackEvent):
        return f"camera {event.camera} is back after {event.seconds:.0f} s"
    if isinstance(event, RecordingLostEvent):
        return f"recordings are not written: {event.reason}"
    if isinstance(event, RecordingBackEvent):
        return f"recordings are written again after {event.seconds:.0f} s"
    if isinstance(event, ClockSetEvent):
        way = "forward" if event.seconds > 0 else "back"
        return (
            f"this computer's clock was set {way} by {abs(event.seconds):,.0f} s, or it slept; the run's dates go on "
            "by the clock of its start until it is started anew"
        )
    if isinstance(event, AdaptedEvent):
        return f"too little time: {', '.join(event.saved)}" if event.saved else "there is time again: full effort"
    assert isinstance(event, OverloadedEvent), "no other event is made here"
    return (
        f"camera {event.camera}: {100 * event.dropped:.0f} % of the frames are dropped, this machine is too slow for "
        "them; lower max_fps or detector.image_size"
    )
