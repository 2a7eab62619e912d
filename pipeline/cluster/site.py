"""Makes the identity service of a site from its configuration."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from relaytrack.pipeline.cluster.checkpoint import Checkpoints
from relaytrack.pipeline.cluster.desk import IdentityDesk
from relaytrack.pipeline.cluster.memory import Memory
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.identity.making import create_identity_service, need_same_network
from relaytrack.pipeline.identity.network_mark import same_network
from relaytrack.pipeline.sources import is_live
from relaytrack.trackers import IdentityStore

CHECKPOINT = "identities-state.db"
RESENT = 600.0
"""Seconds by which a batch may be behind the others: after a cut line, machines send again what they have kept."""


def open_desk(config: Config, threshold: float | None, zero: float, network: bytes | None = None) -> IdentityDesk:
    """The identity service, new or from its last checkpoint in `cluster.dir`.

    Args:
        config: the whole site's.
        threshold: the same-person threshold of the nodes' embedder.
        zero: seconds since 1970 at the run's time 0.
        network: the mark of the network that describes people; None where it is not known.

    Raises:
        ConfigError: another network described the people in the checkpoint or the store.
        OutputError: the checkpoint cannot be opened.
        TrackerError: a setting of the association makes no sense.
    """
    identities = config.identities
    if identities.threshold is None and threshold is not None:
        config = config.model_copy(update={"identities": dataclasses.replace(identities, threshold=threshold)})
    checkpoints = Checkpoints(Path(config.cluster.dir) / CHECKPOINT)
    store = None if config.output.store is None else IdentityStore(config.output.store, origin=zero)
    memory = checkpoints.read(store)
    if memory is None:
        if store is not None:
            store.close()
        service = create_identity_service(config, None, origin=zero, max_late=RESENT, network=network)
        memory = Memory(service, network=network)
    else:
        if not same_network(memory.network, network):
            raise ConfigError(f"{checkpoints.path}: its people are described by other weights (embedder.weights)")
        if store is not None:
            need_same_network(store, None, network)
            store.begin(zero)
    return IdentityDesk(
        memory,
        cameras=[camera.name for camera in config.cameras],
        window=config.sync.window,
        wait=config.cluster.wait,
        checkpoints=checkpoints,
        every=config.cluster.checkpoint,
        live=any(is_live(camera, config.run) for camera in config.cameras),
    )


def forget_checkpoint(config: Config) -> None:
    """Remove what an earlier run has left that was killed: its times and numbers mean nothing to a new one."""
    for end in ("", "-wal", "-shm"):
        Path(config.cluster.dir, CHECKPOINT + end).unlink(missing_ok=True)
