"""The configuration of a machine's part of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from relaytrack.pipeline.cluster.batches import Form
from relaytrack.pipeline.cluster.work_order import WorkOrder
from relaytrack.pipeline.config.schema import Config


def node_config(order: WorkOrder, folder: str | None) -> Config:
    """The configuration of an order; events of a site that is served go to its receivers from the page's machine.

    Args:
        order: the order.
        folder: of its results; None leaves none.
    """
    config = Config.model_validate_json(order.config)
    output = config.output.model_copy(
        update={"dir": folder, "overwrite": True, "resume": False, "report": False, "store": None}
    )
    ways = dataclasses.replace(config.identities, travel_times=())  # they name cameras of other machines
    sinks = config.sinks if order.served is None else ()
    return config.model_copy(update={"output": output, "identities": ways, "sinks": sinks})


def embeddings_form(config: Config, live: Iterable[bool]) -> Form:
    """How embeddings are sent; `live` says of each camera whether it is live."""
    if config.cluster.embeddings != "auto":
        return config.cluster.embeddings
    return "compact" if any(live) else "exact"
