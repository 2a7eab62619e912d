"""`/api/v1/people/ID/doubts`: doubtful decisions about a person, and what operators say of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from relaytrack.pipeline.server.api.context import Number, Operator, TheSite, Viewer, find_person
from relaytrack.pipeline.server.api.people import MergeRequest, SplitRequest, merge, one_person, split
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.site import Site

router = APIRouter(prefix="/people", tags=["people"])
_USUAL = 0.5  # threshold of an embedder that was not calibrated


class Decision(BaseModel):
    """Whether two pictures show one person: either a sighting of this person's, or another person."""

    model_config = ConfigDict(extra="forbid")

    same: bool
    sighting: Number | None = Field(default=None, description="one of this person's sightings")
    other: Number | None = Field(default=None, description="another person's number")

    @model_validator(mode="after")
    def _one(self) -> Decision:
        if (self.sighting is None) == (self.other is None):
            raise ValueError("sighting, other: one of both")
        return self


def threshold_of(site: Site) -> float:
    """The cosine similarity from which two pictures count as one person here."""
    configured = site.pipeline.config.identities.threshold
    known = site.looks.threshold if configured is None else configured
    return _USUAL if known is None else known


def doubts_about(site: Site, identity: Number) -> list[dict[str, Any]]:
    """A person's doubtful decisions that nobody has looked at."""
    site.people.flush()
    return [asdict(doubt) for doubt in site.doubts.of(identity, threshold_of(site))]


@router.get("/{identity}/doubts")
def doubts(site: TheSite, _: Viewer, identity: Number) -> dict[str, Any]:
    """Sightings that hardly look like this person, and others who look just like them, each with two pictures."""
    find_person(site, identity)
    return {"threshold": threshold_of(site), "doubts": doubts_about(site, identity)}


@router.post("/{identity}/decisions")
def decide(site: TheSite, caller: Operator, identity: Number, decision: Decision) -> dict[str, Any]:
    """Say whether it is the same person. What is said once is not asked again, and holds from then on.

    Returns the person; where a sighting turned out to be somebody else, that one.
    """
    find_person(site, identity)
    if decision.other is not None:
        if decision.same:
            return merge(site, caller, identity, MergeRequest(other=decision.other))
        if decision.other == identity:
            raise ProblemError(422, "other: that is the same number", field="other")
        find_person(site, decision.other)
        site.audit.note(caller.name, "people kept apart", identity=identity, other=decision.other)
        site.doubts.forbid_link(identity, decision.other)
        site.corrections.forbid_link(identity, decision.other)
        return one_person(site, identity)
    assert decision.sighting is not None
    if not decision.same:
        return split(site, caller, identity, SplitRequest(sightings=[decision.sighting]))
    if decision.sighting not in {one.id for one in site.people.sightings(identity, limit=100_000)}:
        raise ProblemError(422, f"sighting: none of person {identity}", field="sighting")
    site.audit.note(caller.name, "sighting confirmed", identity=identity, sighting=decision.sighting)
    site.doubts.confirm_sighting(identity, decision.sighting)
    return one_person(site, identity)
