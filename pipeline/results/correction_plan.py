"""What a request to correct a live run comes to: which tracks change, and why it is refused where it makes no sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.results.correction import BY_HAND, Correction, Kind, times
from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.results.visits import seen_together


def plan(kind: Kind, wanted: Mapping[str, Any], people: Mapping[int, Sequence[TrackRecord]]) -> list[Correction]:
    """The corrections that a request for a live run comes to.

    Args:
        kind: what is asked for.
        wanted: as of `pipeline.results.requests.Request`; `zero` besides.
        people: everybody's tracks.

    Raises:
        InputError: an unknown number or track, or people who were in one camera at the same time.
    """
    zero = float(wanted["zero"])
    if kind == "merge":
        numbers = list(dict.fromkeys(int(number) for number in wanted["people"]))
        if len(numbers) < 2:
            raise InputError("merge needs at least two different people")
        groups = [tracks_of(people, number) for number in numbers]
        for place, group in enumerate(groups):
            for other in groups[place + 1 :]:
                check_not_together(group, other)
        pairs = zip(numbers[1:], groups[1:], strict=True)
        return [Correction("merge", gone, numbers[0], times(group), zero) for gone, group in pairs]
    person = int(wanted["person"])
    mine = tracks_of(people, person)
    if kind == "forget":
        return [Correction("forget", person, 0, times(mine), zero, bool(wanted.get("delete_videos")))]
    chosen = _to_split(wanted, person, mine)
    new = max([BY_HAND - 1, *people]) + 1
    return [Correction("split", person, new, times(chosen), zero)]


def _to_split(wanted: Mapping[str, Any], person: int, mine: Sequence[TrackRecord]) -> list[TrackRecord]:
    at = wanted.get("at")
    if at is not None:
        across = next((track for track in mine if track.first < at <= track.last), None)
        if across is not None:
            raise InputError(
                f"track {across.camera}:{across.track} goes across {at:g} s, and tracks of a live run are not cut: "
                "name the tracks that are somebody else (CAMERA:TRACK)"
            )
        chosen = [track for track in mine if track.first >= at]
    else:
        keys = {(str(camera), int(track)) for camera, track in wanted["tracks"]}
        chosen = [track for track in mine if (track.camera, track.track) in keys]
        for camera, track in sorted(keys - {(one.camera, one.track) for one in chosen}):
            raise InputError(f"track {camera}:{track} is not one of person {person}")
    if not chosen or len(chosen) == len(mine):
        raise InputError(f"split needs some but not all tracks of person {person}")
    return chosen


def tracks_of(people: Mapping[int, Sequence[TrackRecord]], person: int) -> Sequence[TrackRecord]:
    """A person's tracks.

    Raises:
        InputError: there is no such person.
    """
    if person not in people:
        raise InputError(f"there is no person {person}")
    return people[person]


def check_not_together(some: Sequence[TrackRecord], others: Sequence[TrackRecord]) -> None:
    """Two people who were in one camera at once are not one.

    Raises:
        InputError: they were.
    """
    both = seen_together(some, others)
    if both is not None:
        one, other, time = both
        raise InputError(
            f"tracks {one.camera}:{one.track} and {other.camera}:{other.track} were in view at once, at {time:.1f} s: "
            "they cannot be one person"
        )


def told(corrections: Sequence[Correction]) -> str:
    """What was done, in one line."""
    first = corrections[0]
    if first.kind == "merge":
        gone = [str(one.person) for one in corrections]
        return f"{' and '.join([str(first.new), *gone])} are person {first.new} now"
    if first.kind == "split":
        tracks = ", ".join(f"{camera}:{track}" for camera, track in sorted(first.tracks))
        return f"{tracks}: person {first.new} now, no longer {first.person}"
    return f"person {first.person} is forgotten"


def as_kind(text: str) -> Kind:
    """The kind of a request.

    Raises:
        InputError: it is none.
    """
    if text == "merge":
        return "merge"
    if text == "split":
        return "split"
    if text == "forget":
        return "forget"
    raise InputError(f"{text!r} is no correction")
