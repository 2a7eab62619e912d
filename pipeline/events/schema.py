"""The schema of `events.jsonl`: every line is one of these objects, told apart by `event`.

Common to all: `event`; `time`, seconds of the run's clock; `date`, the same as UTC date and time (live runs, else
null); `camera`; `track`, the camera's own track id; `identity`, the person's number over all cameras as it is
known at that moment. Only confirmed tracks make events.

* `identity`: a person is seen for the first time in the run (with `relaytrack serve`: by the site). With `grounds` and
  `former`.
* `enter`: a person comes into a camera's view. With `grounds`, what the identity rests on at that moment (see
  `IdentityGrounds`), and `former`, the identities that the track had before, in the order of the corrections.
* `leave`: a person has been out of a camera's view for `events.leave_after` seconds; `time` is when they were last
  seen. With `entered` (time) and `frames`.
* `revised`: a track turns out to be somebody else: `identity`, no longer `old`; it holds for the whole track. `kind`
  is `merge` (two people were one), `split` (one was two), `final` (the end of a run over files) or
  `manual` (by hand, afterwards). `score`: what spoke for it, in points of evidence (above 0 speaks for it), or null.
* `zone_enter`: a person's feet have been in a zone for `events.settle` seconds; `time` is when they came in. With
  `zone`, `inside`, `total`.
* `zone_leave`: a person's feet have been out of a zone for `events.settle` seconds; `time` is when they left it.
  With `zone`, `inside`, `total` and the `seconds` of the stay.
* `dwell`: a person has been in a zone for `events.dwell` seconds, once per stay. With `zone`, `seconds`.
* `line_cross`: a person's feet have gone from clearly before a line to clearly beyond it. With `line`, `direction`,
  `forward`, `backward`.
* `camera_lost`: a live camera gives no pictures any more; with the `reason`. Events about a camera have `track` and
  `identity` 0.
* `camera_back`: a lost camera gives pictures again; with the `seconds` for which it gave none.
* `recording_lost`: recordings cannot be written any more, with the `reason`, as a full disk; the run goes on.
* `recording_back`: recordings are written again, in new files; with the `seconds` for which they were not.
  Both concern all cameras: `camera` is empty.
* `overloaded`: a share `dropped` (0..1) of a live camera's frames was dropped in the last ten seconds, because there
  was no time for them; with their `age` (seconds from picture to ids, 95th percentile). Told again every 5 minutes.
* `adapted`: the networks put less effort, or more again, into the pictures, so that frames need not be dropped: `level`
  (0: full effort) and what is `saved` at present, in words. It concerns all cameras: `camera` is empty.
* `clock_set`: this computer's clock was set forward by `seconds` (below 0: back), or the computer slept. All dates of
  the run go on by the clock of its start, so that they stay in order; the computer's clock is `ahead` of them by now.
  It concerns all cameras: `camera` is empty.

`inside` counts the people who are in the zone now, `total` the stays so far. A line goes from its first point to
its second; `forward` is from its left side to its right side, seen along it in the picture; `forward` and `backward`
count the crossings so far.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.events.base_event import BaseEvent
from relaytrack.pipeline.events.site_events import (
    AdaptedEvent,
    CameraBackEvent,
    CameraLostEvent,
    ClockSetEvent,
    OverloadedEvent,
    RecordingBackEvent,
    RecordingLostEvent,
)
from relaytrack.reid.wording import plain_words

State = Literal["new", "matched", "revised"]


class IdentityGrounds(BaseModel):
    """What an identity rests on, by the track that an event is about; the same as `grounds` in identities.json.

    Attributes:
        state: "new": no other track; "matched": others have the identity, too; "revised": one of these tracks had
            another identity before.
        similarity: mean cosine of the track to the identity's other tracks; null without such.
        nearest: cosine to the most alike track of somebody else; null where there is nobody.
        rival: whose track that is.
        margin: `similarity` - `nearest`; null without either.
        cameras: where the identity's other tracks were seen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    state: State
    similarity: float | None = None
    margin: float | None = None
    rival: int | None = None
    nearest: float | None = None
    cameras: tuple[str, ...] = ()


class FormerIdentity(BaseModel):
    """An identity that a track had before; `time`, `kind` and `score` as in the event `revised` that took it away."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: int
    time: float
    kind: Literal["merge", "split", "final", "manual"]
    score: float | None = None


class _Founded(BaseEvent):
    """An event that says what the identity rests on."""

    grounds: IdentityGrounds | None = None
    former: tuple[FormerIdentity, ...] = ()


class IdentityEvent(_Founded):
    """A person is seen for the first time in the run."""

    event: Literal["identity"] = "identity"


class EnterEvent(_Founded):
    """A person comes into a camera's view."""

    event: Literal["enter"] = "enter"


class LeaveEvent(BaseEvent):
    """A person has left a camera's view."""

    event: Literal["leave"] = "leave"
    entered: float
    frames: int = Field(ge=1)


class RevisedEvent(BaseEvent):
    """A track turns out to be somebody else: `identity` holds for the whole track, no longer `old`."""

    event: Literal["revised"] = "revised"
    old: int = Field(ge=0)
    kind: Literal["merge", "split", "final", "manual"]
    score: float | None = None


class ZoneEnterEvent(BaseEvent):
    """A person has come into a zone."""

    event: Literal["zone_enter"] = "zone_enter"
    zone: str
    inside: int = Field(ge=0)
    total: int = Field(ge=0)


class ZoneLeaveEvent(BaseEvent):
    """A person has left a zone."""

    event: Literal["zone_leave"] = "zone_leave"
    zone: str
    inside: int = Field(ge=0)
    total: int = Field(ge=0)
    seconds: float = Field(ge=0)


class DwellEvent(BaseEvent):
    """A person stays in a zone."""

    event: Literal["dwell"] = "dwell"
    zone: str
    seconds: float = Field(ge=0)


class LineCrossEvent(BaseEvent):
    """A person has crossed a line."""

    event: Literal["line_cross"] = "line_cross"
    line: str
    direction: Literal["forward", "backward"]
    forward: int = Field(ge=0)
    backward: int = Field(ge=0)


Event = Annotated[
    IdentityEvent
    | EnterEvent
    | LeaveEvent
    | RevisedEvent
    | ZoneEnterEvent
    | ZoneLeaveEvent
    | DwellEvent
    | LineCrossEvent
    | CameraLostEvent
    | CameraBackEvent
    | RecordingLostEvent
    | RecordingBackEvent
    | OverloadedEvent
    | AdaptedEvent
    | ClockSetEvent,
    Field(discriminator="event"),
]
EVENT_TYPES = (
    "identity",
    "enter",
    "leave",
    "revised",
    "zone_enter",
    "zone_leave",
    "dwell",
    "line_cross",
    "camera_lost",
    "camera_back",
    "recording_lost",
    "recording_back",
    "overloaded",
    "adapted",
    "clock_set",
)
_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


def parse_event(line: str | bytes) -> Event:
    """Read and check one line of `events.jsonl`.

    Raises:
        InputError: it is not an event of this schema.
    """
    try:
        return _ADAPTER.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"not an event: {where + ': ' if where else ''}{plain_words(first)}") from error


def event_schema() -> dict[str, Any]:
    """The schema as JSON Schema (2020-12), for consumers in other languages."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_ADAPTER.json_schema()}
