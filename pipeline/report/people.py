"""The people of a run: everybody's cards with their best pictures and their way through the cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relaytrack.pipeline.report.links import Figure, figure
from relaytrack.pipeline.results.run_data import RunData
from relaytrack.pipeline.results.visits import Visit

_LONGEST_ROUTE = 4  # cameras that a card names
_MOST_PEOPLE = 300
_MOST_CROPS = 14
_ALL_CROPS = 1500


@dataclass(frozen=True, slots=True)
class PersonCard:
    """One person.

    Attributes:
        identity: their number.
        route: the cameras in the order in which they were in view; whole_route: the same, not shortened.
        first, last: when they were in view, as text.
        figures: pictures by time.
        grounds: what the identity rests on, in words; empty where the run does not say.
    """

    identity: int
    route: str
    whole_route: str
    first: str
    last: str
    figures: Sequence[Figure]
    grounds: str = ""


@dataclass(frozen=True, slots=True)
class PeopleSection:
    """The section; `count` is the number of people, `cards` those that are shown."""

    count: int
    cards: Sequence[PersonCard]


def people(data: RunData, stays: Mapping[int, Sequence[Visit]]) -> PeopleSection:
    """Everybody, those whom most cameras saw first."""

    def order(identity: int) -> tuple[int, float, int]:
        tracks = data.people[identity]
        return -len({track.camera for track in tracks}), min(track.first for track in tracks), identity

    shown = sorted(data.people, key=order)
    pictures = min(_MOST_CROPS, max(3, _ALL_CROPS // max(1, len(shown))))  # the page stays a few megabytes small
    cards = [_card(data, identity, stays[identity], pictures) for identity in shown[:_MOST_PEOPLE]]
    return PeopleSection(len(shown), cards)


def _card(data: RunData, identity: int, stays: Sequence[Visit], pictures: int) -> PersonCard:
    tracks = data.people[identity]
    route: list[str] = []
    for stay in stays:
        if not route or route[-1] != stay.camera:
            route.append(stay.camera)
    whole = " → ".join(route)
    if len(route) > _LONGEST_ROUTE:
        route = [*route[: _LONGEST_ROUTE - 2], f"… {len(route) - _LONGEST_ROUTE + 1} more …", route[-1]]
    crops = [(float(crop["time"]), track.camera, crop) for track in tracks for crop in track.crops]
    best = sorted(crops, key=lambda entry: -float(entry[2]["quality"]))[:pictures]
    figures = [
        figure(data, camera, time, str(crop["file"]))
        for time, camera, crop in sorted(best, key=lambda entry: entry[:2])
    ]
    if not figures:
        figures = [figure(data, stay.camera, stay.first, None) for stay in stays[:_MOST_CROPS]]
    first, last = min(track.first for track in tracks), max(track.last for track in tracks)
    grounds = data.grounds.get(identity)
    said = "" if grounds is None else grounds.sentence()
    return PersonCard(identity, " → ".join(route), whole, data.moment(first), data.moment(last), figures, said)
