"""What makes a correction of people sensible, in live runs and in finished ones alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.results.visits import seen_together

People = Mapping[int, Sequence[TrackRecord]]
"""Everybody's tracks, by the person's number."""


def tracks_of(people: People, person: int) -> Sequence[TrackRecord]:
    """A person's tracks.

    Raises:
        InputError: there is no such person.
    """
    if person not in people:
        raise InputError(f"there is no person {person}")
    return people[person]


def to_merge(people: People, numbers: Iterable[int]) -> dict[int, Sequence[TrackRecord]]:
    """The tracks of people who are to become one, by their numbers, in the order given; each number counts once.

    Raises:
        InputError: an unknown number, fewer than two people, or people who were in one camera at the same time.
    """
    groups = {number: tracks_of(people, number) for number in numbers}
    if len(groups) < 2:
        raise InputError("merge needs at least two different people")
    found = list(groups.values())
    for place, group in enumerate(found):
        for other in found[place + 1 :]:
            _check_not_together(group, other)
    return groups


def to_split(people: People, person: int, keys: Iterable[tuple[str, int]]) -> list[TrackRecord]:
    """Those of a person's tracks that are to get a number of their own.

    Args:
        people: everybody's tracks.
        person: the number so far.
        keys: (camera, track) of each.

    Raises:
        InputError: an unknown person, a track that is not theirs, no track at all, or all of them.
    """
    mine, wanted = tracks_of(people, person), set(keys)
    for camera, track in sorted(wanted - {(one.camera, one.track) for one in mine}):
        raise InputError(f"track {camera}:{track} is not one of person {person}")
    if not 0 < len(wanted) < len(mine):
        raise InputError(f"split needs some but not all tracks of person {person}")
    return [one for one in mine if (one.camera, one.track) in wanted]


def seen_around(people: People, person: int, time: float) -> Sequence[TrackRecord]:
    """A person's tracks, some of which lie before a moment and some after it.

    Raises:
        InputError: an unknown person, or all of it lies on one side.
    """
    mine = tracks_of(people, person)
    if not any(track.first < time for track in mine) or not any(track.last >= time for track in mine):
        seen = f"{min(track.first for track in mine):.1f} to {max(track.last for track in mine):.1f} s"
        raise InputError(f"person {person} is seen from {seen}; {time:g} s does not lie in between")
    return mine


def _check_not_together(some: Sequence[TrackRecord], others: Sequence[TrackRecord]) -> None:
    both = seen_together(some, others)
    if both is not None:
        one, other, time = both
        raise InputError(
            f"tracks {one.camera}:{one.track} and {other.camera}:{other.track} were in view at once, at {time:.1f} s: "
            "they cannot be one person"
        )
