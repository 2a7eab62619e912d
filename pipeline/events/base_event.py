"""What all events have in common; `pipeline.events.schema` says what they mean."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class BaseEvent(BaseModel):
    """What all events have."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    event: str
    time: float
    date: str | None = None
    camera: str
    track: int = Field(ge=0)
    identity: int = Field(ge=0)
