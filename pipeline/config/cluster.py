"""The settings of a run on several machines."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from relaytrack.pipeline.config.section import FileName, Place, Section

_PASSWORD = re.compile(r"://[^/@]*:(?!\$\{)[^/@]+@")


class ClusterConfig(Section):
    """`--cluster`: how the cameras are spread over machines that Ray joins."""

    nodes: int | None = Field(default=None, ge=1, le=1000, description="programs that follow cameras; default: by Ray")
    num_cpus: float = Field(default=1.0, ge=0, description="CPUs of a machine that each of them takes")
    num_gpus: float = Field(default=0.0, ge=0, description="GPUs, or a share of one, that each of them takes")
    bind: dict[str, str] = Field(
        default={}, description="camera -> resource of `ray start --resources` whose machine follows it"
    )
    dir: FileName = Field(default="out/node", description="folder on each machine for videos, crops and checkpoints")
    collect: Literal["text", "crops", "all"] = Field(
        default="crops", description="what is fetched into output.dir at the end; all: videos, too"
    )
    share: Place | None = Field(
        default=None,
        description="folder or URL (s3://bucket/site, with s3fs) that all machines reach: their videos and crops, and "
        "the lists of people, go there, too",
    )
    embeddings: Literal["auto", "exact", "compact"] = Field(
        default="auto", description="how they are sent; auto: compact from live cameras, exact from recordings"
    )
    wait: float = Field(default=0.2, ge=0, le=5, description="seconds that a live moment waits for a late camera")
    patience: float = Field(
        default=2.0, gt=0, le=60, description="seconds without an answer after which a machine counts as lost"
    )
    checkpoint: float = Field(default=1.0, ge=0, le=60, description="seconds between two checkpoints of identities")

    @field_validator("share")
    @classmethod
    def _no_password(cls, value: str | None) -> str | None:
        if value is not None and _PASSWORD.search(value):
            raise ValueError("write the password as ${NAME} and set the variable NAME on every machine")
        return value
