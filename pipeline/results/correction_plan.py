"""Which tracks a request to correct a live run changes, or why it is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.results.correction import BY_HAND, Correction, Kind, times
from relaytrack.pipeline.results.correction_checks import People, seen_around, to_merge, to_split, tracks_of


def plan(kind: Kind, wanted: Mapping[str, Any], people: People) -> list[Correction]:
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
        (kept, _), *others = to_merge(people, (int(number) for number in wanted["people"])).items()
        return [Correction("merge", gone, kept, times(group), zero) for gone, group in others]
    person = int(wanted["person"])
    if kind == "forget":
        mine = tracks_of(people, person)
        return [Correction("forget", person, 0, times(mine), zero, bool(wanted.get("delete_videos")))]
    chosen = to_split(people, person, _keys_to_split(wanted, person, people))
    new = max([BY_HAND - 1, *people]) + 1
    return [Correction("split", person, new, times(chosen), zero)]


def _keys_to_split(wanted: Mapping[str, Any], person: int, people: People) -> list[tuple[str, int]]:
    """(camera, track) of the tracks that a request names, or that begin at its moment or after it."""
    at = wanted.get("at")
    if at is None:
        return [(str(camera), int(track)) for camera, track in wanted["tracks"]]
    mine = seen_around(people, person, at)
    across = next((track for track in mine if track.first < at <= track.last), None)
    if across is not None:
        raise InputError(
            f"track {across.camera}:{across.track} goes on beyond {at:g} s, and tracks of a live run are not cut: "
            "name the tracks that are somebody else (CAMERA:TRACK)"
        )
    return [(track.camera, track.track) for track in mine if track.first >= at]


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
