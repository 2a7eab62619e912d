"""`/api/v1/people`: who is here, who was, with pictures; names, watching, forgetting."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from relaytrack.pipeline.server.api.context import (
    Admin,
    Number,
    Operator,
    TheSite,
    Viewer,
    When,
    WhichCamera,
    find_person,
)
from relaytrack.pipeline.server.api.forgetting import describe_forgetting
from relaytrack.pipeline.server.descriptions import describe_person
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.site import Site
from relaytrack.pipeline.server.typed_line import Line

router = APIRouter(prefix="/people", tags=["people"])


class PersonChange(BaseModel):
    """What an operator says of a person."""

    model_config = ConfigDict(extra="forbid")

    name: Line | None = Field(default=None, max_length=80)
    watched: bool | None = Field(default=None, description="an event `watched` when they come into view")
    revision: str | None = Field(
        default=None, max_length=64, description="the person's `revision` as it was read; another one is a conflict"
    )


class MergeRequest(BaseModel):
    """Who else this person is."""

    model_config = ConfigDict(extra="forbid")

    other: Number = Field(description="the number that goes; all of theirs becomes this person's")


class SplitRequest(BaseModel):
    """Which sightings are somebody else."""

    model_config = ConfigDict(extra="forbid")

    sightings: list[Number] = Field(min_length=1, max_length=500)


def list_people(site: Site, **conditions: Any) -> list[dict[str, Any]]:
    """People, those who are here first, then those seen last."""
    present = site.pipeline.status().present
    colors = site.pipeline.colors
    known = site.people.people(**conditions)
    found = [describe_person(person, present.get(person.identity, ()), colors) for person in known]
    return sorted(found, key=lambda person: not person["here"])


def one_person(site: Site, identity: int) -> dict[str, Any]:
    """A person with every sighting, what the number rests on (`grounds`), and the numbers of before (`former`).

    Raises:
        ProblemError: there is none of that number.
    """
    find_person(site, identity)
    person = list_people(site, identity=identity)[0]
    person["sightings"] = [asdict(sighting) for sighting in site.people.sightings(identity)]
    person["grounds"] = asdict(site.people.grounds(identity))
    person["former"] = [asdict(former) for former in site.people.former(identity)]
    return person


@router.get("")
def people(
    site: TheSite,
    _: Viewer,
    here: bool = False,
    camera: WhichCamera = None,
    since: When = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """Who is here and who was, those seen last first."""
    found = list_people(site, camera=camera, since=since, limit=limit)
    return {"people": [person for person in found if person["here"] or not here]}


@router.get("/{identity}")
def person(site: TheSite, _: Viewer, identity: Number) -> dict[str, Any]:
    """One person: where and when, with pictures."""
    return one_person(site, identity)


@router.patch("/{identity}")
def describe(site: TheSite, caller: Operator, identity: Number, change: PersonChange) -> dict[str, Any]:
    """Name a person, or watch for them."""
    with site.changing:
        before = one_person(site, identity)
        if change.revision is not None and change.revision != before["revision"]:
            raise ProblemError(409, "somebody else has changed this person; look at them again", field="revision")
        said = change.model_dump(exclude_none=True, exclude={"revision"})
        # names stay out of the audit log: it is never changed, and people have a right to be forgotten
        site.audit.note(caller.name, "person described", identity=identity, keys=sorted(said))
        site.people.describe(identity, name=change.name, watched=change.watched)
    return one_person(site, identity)


@router.post("/{identity}/merge")
def merge(site: TheSite, caller: Operator, identity: Number, merge: MergeRequest) -> dict[str, Any]:
    """The other one is this person, too: boxes, events and lists follow, now and after a restart."""
    if merge.other == identity:
        raise ProblemError(422, "other: that is the same number", field="other")
    with site.correcting:  # two operators who say it the other way round at once
        find_person(site, identity)
        find_person(site, merge.other)
        seen = site.people.together(identity, merge.other)
        if seen is not None:
            raise ProblemError(
                409, f"both were in camera {seen.camera} at the same time: they cannot be one person", field="other"
            )
        site.audit.note(caller.name, "people merged", identity=identity, other=merge.other)
        site.people.merge(identity, merge.other)
        site.pipeline.corrector().apply("merge", merge.other, identity)
    return one_person(site, identity)


@router.post("/{identity}/split")
def split(site: TheSite, caller: Operator, identity: Number, split: SplitRequest) -> dict[str, Any]:
    """These sightings are somebody else, who gets a number of their own."""
    with site.correcting:
        find_person(site, identity)
        own = {sighting.id for sighting in site.people.sightings(identity, limit=100_000)}
        chosen = set(split.sightings)
        if not chosen <= own or chosen == own:
            detail = f"sightings: some, but not all, of those of person {identity}"
            raise ProblemError(422, detail, field="sightings")
        site.audit.note(caller.name, "person split", identity=identity, sightings=sorted(chosen))
        new, tracks = site.people.split(identity, sorted(chosen))
        site.pipeline.corrector().apply("split", identity, new, tracks=tracks)
    return one_person(site, new)


@router.delete("/{identity}", status_code=202)
def forget(site: TheSite, caller: Admin, identity: Number) -> dict[str, Any]:
    """Forget a person: pictures, sightings, looks, name and events are deleted at once.

    The association's memory and the files and videos of all runs follow; `/api/v1/forgetting/REQUEST` says how far it
    is. What fails is tried again until it is done, also after a restart.
    """
    find_person(site, identity)
    site.audit.note(caller.name, "person forgotten", identity=identity)
    return describe_forgetting(site.requests.get(site.begin_forgetting(identity)))


pictures = APIRouter(prefix="/pictures", tags=["people"])


@pictures.get("/{sighting}.jpg", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
def picture(site: TheSite, _: Viewer, sighting: Number) -> Response:
    """The picture of one sighting."""
    data = site.people.picture(sighting)
    if data is None:
        raise ProblemError(404, "there is no such picture")
    return Response(data, media_type="image/jpeg", headers={"cache-control": "private, max-age=10"})
