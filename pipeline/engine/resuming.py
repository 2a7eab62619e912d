"""How a live run goes on from an earlier start in its folder."""

from __future__ import annotations

import logging

from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.results.earlier_starts import EarlierStart

LOG = logging.getLogger("relaytrack.engine")
_NOTABLE = 5.0  # seconds by which a clock may be behind without a warning


def clock_after(earlier: EarlierStart | None) -> RunClock:
    """A clock that goes on from an earlier start, never back behind it."""
    if earlier is None:
        return RunClock()
    clock = RunClock(zero=earlier.zero, least=earlier.last)
    if clock.behind > _NOTABLE:
        LOG.warning(
            "this computer's clock is %.0f s behind the end of the last start in this folder; times go on from there",
            clock.behind,
        )
    return clock


def with_end(config: Config, clock: RunClock, earlier: EarlierStart | None) -> Config:
    """The configuration whose `run.max_seconds` counts from now, where the clock began in an earlier start."""
    if earlier is None or config.run.max_seconds is None:
        return config
    run = config.run.model_copy(update={"max_seconds": clock.now() + config.run.max_seconds})
    return config.model_copy(update={"run": run})
