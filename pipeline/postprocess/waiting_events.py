"""Events that wait in spools for their receivers: who is forgotten is taken out of them, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from relaytrack.pipeline.config.output import SinkConfig
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.sinks.outgoing.spool import Spool


def named_spools(sinks: Sequence[SinkConfig]) -> set[Path]:
    """The spools that sinks name in their options, there or not."""
    return {Path(str(sink.options["spool"])).resolve() for sink in sinks if sink.options.get("spool")}


def spools_of(folder: Path, sinks: Sequence[SinkConfig] = ()) -> set[Path]:
    """All spools of a run: those in its folder, and those that its sinks name."""
    return {path.resolve() for path in (folder / "spool").glob("*.db")} | named_spools(sinks)


def forget_waiting(spools: Iterable[Path], correction: Correction) -> None:
    """Take the events of a person who is forgotten out of spools; those that are not there have none.

    Raises:
        OutputError: one cannot be written, or a run is using it.
    """
    for path in sorted(one for one in spools if one.exists()):
        spool = Spool(path)
        try:
            spool.forget(correction)
        finally:
            spool.close()
