"""The settings as a service runs them: what differs from a run on the command line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.names import SINKS
from relaytrack.pipeline.config.output import SinkConfig
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.dates import free_path

_RETURN_RATIO = 0.3
"""At a site people come back; see `IdentityParams.return_ratio`."""


def running(config: Config) -> Config:
    """The settings as a service runs them: lost cameras are tried again, a failure ends nothing, identities stay.

    Files of a run are written only where `output.dir` is set, each start in a folder of its own. The mosaic is left
    out unless it is asked for: the page shows the cameras side by side.
    """
    output, given = config.output, config.output.model_fields_set
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    changed: dict[str, Any] = {"on_error": "resume", "report": False}
    keeps = "dir" in given and output.dir is not None
    changed["dir"] = str(free_path(Path(output.folder) / stamp)) if keeps else None
    changed["mosaic"] = output.mosaic and "mosaic" in given
    if output.store is None:
        changed["store"] = str(Path(config.server.dir) / "identities.sqlite")
    networks = config.input.networks if config.server.networks is None else config.server.networks
    retry = config.input.model_copy(update={"on_start_failure": "retry", "networks": networks})
    sinks = tuple(_with_spool(sink, Path(config.server.dir) / "spool") for sink in config.sinks)
    ratio = config.identities.return_ratio
    identities = replace(config.identities, return_ratio=_RETURN_RATIO if ratio is None else ratio)
    output = output.model_copy(update=changed)
    return config.model_copy(update={"output": output, "input": retry, "sinks": sinks, "identities": identities})


def _with_spool(sink: SinkConfig, folder: Path) -> SinkConfig:
    """A sink whose unsent events wait in the site's folder, where the next start finds them."""
    if sink.name not in SINKS or "spool" in sink.options:
        return sink
    return sink.model_copy(update={"options": {**sink.options, "spool": str(folder / f"{sink.name}.db")}})
