"""The settings of what comes out of a run: files, events and further receivers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from relaytrack.pipeline.config.names import SINKS, known_name
from relaytrack.pipeline.config.section import FileName, Section
from relaytrack.pipeline.errors import ConfigError


class SinkConfig(Section):
    """A receiver of results: `mqtt`, `webhook`, `redis` or `kafka` for events, or one that another package brings."""

    name: str = Field(min_length=1)
    options: dict[str, Any] = Field(default={}, repr=False, description="its settings")
    when_full: Literal["block", "drop_oldest"] | None = Field(
        default=None, description="while its queue is full; default: recordings wait, live cameras drop"
    )
    on_error: Literal["fail", "disable", "retry", "resume"] | None = Field(
        default=None, description="when it fails; default: as it declares, else disable"
    )

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return known_name("name", value, SINKS, "relaytrack.sinks")


class OutputConfig(Section):
    """What is written and how."""

    dir: FileName | None = Field(default="out/run", description="folder for the results; null leaves none")
    overwrite: bool = False
    resume: bool = Field(default=False, description="a live run goes on in the folder of an earlier start")
    video: bool = True
    mosaic: bool = True
    trail: float = Field(default=2.0, ge=0, description="seconds of path drawn behind a person")
    fill_gaps: float = Field(
        default=2.0, ge=0, description="files: seconds without a box of a person that get boxes in between; 0: none"
    )
    zones: bool = Field(default=True, description="draw the zones and lines of the cameras")
    crf: int = Field(default=26, ge=0, le=51, description="H.264 quality, lower is better")
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = "ultrafast"
    mosaic_width: int = Field(default=1280, ge=64, le=7680)
    segment_minutes: float = Field(default=10.0, gt=0, description="length of the files of a live run")
    disk_limit_gb: float = Field(default=20.0, gt=0, description="oldest segments of a live run go beyond it")
    store: FileName | None = Field(default=None, description="SQLite file in which identities outlive the run")
    crops: bool = Field(default=True, description="a few pictures of each person")
    retain_hours: float | None = Field(
        default=72.0, gt=0, description="pictures and embeddings of a live run go after that; null keeps them"
    )
    anonymise: Literal["heads", "persons"] | None = Field(default=None, description="hide people in every picture")
    report: bool = Field(default=True, description="report.html, a page to look at")
    on_error: Literal["fail", "disable", "resume"] = Field(
        default="fail",
        description="a result that cannot be written ends the run, or is left out while the run goes on, for good or "
        "(resume, live runs) until it can be written again",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> OutputConfig:
        if self.resume and self.overwrite:
            raise ValueError("resume and overwrite cannot be used together")
        return self

    @property
    def folder(self) -> Path:
        """`dir` as a path.

        Raises:
            ConfigError: the run leaves no files.
        """
        if self.dir is None:
            raise ConfigError("output.dir is null: this run leaves no files")
        return Path(self.dir)


class EventsConfig(Section):
    """What events.jsonl tells; zones and lines belong to the cameras."""

    enabled: bool = True
    leave_after: float = Field(default=2.0, gt=0, description="seconds unseen after which a person has left")
    settle: float = Field(default=0.5, ge=0, description="seconds in or out of a zone before it counts")
    dwell: float = Field(default=10.0, gt=0, description="seconds in a zone that make a dwell event")
