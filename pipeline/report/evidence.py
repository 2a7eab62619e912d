"""Why two tracks were, or were not, taken for one person: what speaks for and against it besides appearance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relaytrack.pipeline.dates import format_time
from relaytrack.pipeline.results.doubts import Doubt
from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.results.run_data import RunData
from relaytrack.pipeline.results.visits import Visit, typical

Ways = Mapping[tuple[str, str], Sequence[float]]
"""Seconds of the ways of all people from camera to camera, as of `transitions`."""


def evidence(data: RunData, doubt: Doubt, stays: Mapping[int, Sequence[Visit]], ways: Ways) -> list[str]:
    """Short sentences on the times and ways behind a decision.

    Args:
        data: the run.
        doubt: the decision.
        stays: every person's stays.
        ways: all people's ways.
    """
    one, other = doubt.one, doubt.other
    if not doubt.joined:
        return [_apart(data, one[0], other[0], stays, ways)]
    said = [_way(data, one[1], other[1], ways)]
    if doubt.rival is not None:
        said.append(_apart(data, one[0], doubt.rival[0], stays, ways, only=one[1]))
    return said


def _apart(
    data: RunData,
    one: int,
    other: int,
    stays: Mapping[int, Sequence[Visit]],
    ways: Ways,
    only: TrackRecord | None = None,
) -> str:
    """What speaks against two people being one; `only` limits the first one to a single track."""
    met = _together(data, one, other, [only] if only else data.people[one])
    if met is not None:
        return met
    mine = stays[one] if only is None else [Visit(one, only.camera, only.first, only.last)]
    pairs = [(first, then) for first in mine for then in stays[other] if first.last <= then.first]
    pairs += [(first, then) for first in stays[other] for then in mine if first.last <= then.first]
    if not pairs:
        return f"Times and ways do not speak against {one} and {other} being one person."
    first, then = min(pairs, key=lambda pair: pair[1].first - pair[0].last)
    seconds = then.first - first.last
    return (
        f"{first.identity} left {first.camera} {_length(seconds)} before {then.identity} came into {then.camera}: "
        f"{_usual(ways.get((first.camera, then.camera), ()))}."
    )


def _way(data: RunData, one: TrackRecord, other: TrackRecord, ways: Ways) -> str:
    """The way between two tracks of one person."""
    first, then = sorted((one, other), key=lambda track: track.first)
    if first.last > then.first:
        return f"The tracks overlap in time, in {first.camera} and {then.camera} from {data.moment(then.first)} on."
    seconds = _length(then.first - first.last)
    if first.camera == then.camera:
        return f"They came back into {first.camera} after {seconds}."
    return f"{seconds} from {first.camera} to {then.camera}: {_usual(ways.get((first.camera, then.camera), ()))}."


def _usual(known: Sequence[float]) -> str:
    if not known:
        return "a way that nobody took"
    if len(known) == 1:
        return f"the only such way took {_length(known[0])}"
    return f"the median of {len(known)} such ways is {_length(typical(known))}"


def _together(data: RunData, one: int, other: int, tracks: Sequence[TrackRecord]) -> str | None:
    """Where two people were at the same time, one camera preferred to different ones; None if they never were."""
    best: tuple[bool, float, str] | None = None
    for a in tracks:
        for b in data.people[other]:
            for begin, end in a.spans:
                for low, high in b.spans:
                    shared = min(end, high) - max(begin, low)
                    if shared < 0:
                        continue
                    since = f"(from {data.moment(max(begin, low))} on, {_length(shared)})"
                    same = a.camera == b.camera
                    text = (
                        f"{one} and {other} were in {a.camera} at the same time {since}: two people."
                        if same
                        else f"{one} was in {a.camera} while {other} was in {b.camera} {since}."
                    )
                    if best is None or (same, shared) > best[:2]:
                        best = (same, shared, text)
    return None if best is None else best[2]


def _length(seconds: float) -> str:
    return f"{seconds:.1f} s" if abs(seconds) < 100 else format_time(seconds)[:-2]
