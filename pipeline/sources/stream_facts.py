"""What a video tells of itself, where it is believable: rate, length, shape of its pixels."""

from __future__ import annotations

import av
from av.container import InputContainer
from av.video.stream import VideoStream

_PLAUSIBLE_RATES = (0.05, 480.0)
_PLAUSIBLE_ASPECTS = (0.2, 5.0)


def told_duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds that a video says it lasts, None where it does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and not container.streams.audio:
        return container.duration / av.time_base
    return None


def stored_aspect(stream: VideoStream) -> float:
    """The pixels' aspect that a video tells; 1 where it tells none, or one that no camera has."""
    told = float(stream.sample_aspect_ratio or 1)
    return told if _PLAUSIBLE_ASPECTS[0] <= told <= _PLAUSIBLE_ASPECTS[1] else 1.0


def nominal_rate(stream: VideoStream, *, clockless: bool = False) -> float | None:
    """Frames per second that a video tells; None where it tells none, or a rate that no camera has.

    `clockless`: it has no time stamps, so that nobody can have counted.
    """
    counted, said = stream.average_rate, stream.guessed_rate
    for rate in (said, counted) if clockless else (counted, said):
        if rate and _PLAUSIBLE_RATES[0] <= float(rate) <= _PLAUSIBLE_RATES[1]:
            return float(rate)
    return None
