"""Makes the identity service of a site from its configuration."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from pathlib import Path

from relaytrack.pipeline.cluster.checkpoint import Checkpoints
from relaytrack.pipeline.cluster.desk import IdentityDesk
from relaytrack.pipeline.cluster.memory import Memory
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.identity.making import create_identity_service, need_same_network
from relaytrack.pipeline.identity.network_mark import same_network
from relaytrack.pipeline.identity.store_lock import StoreLock
from relaytrack.pipeline.sources import is_live
from relaytrack.trackers import IdentityStore

CHECKPOINT = "identities-state.db"
RESENT = 600.0
"""Seconds by which a batch may be behind the others: after a cut line, machines send again what they have kept."""
_PATIENCE = 10.0  # seconds that a service which is being ended gets to let the store go


def open_desk(config: Config, threshold: float | None, zero: float, network: bytes | None = None) -> IdentityDesk:
    """The identity service, new or from its last checkpoint in `cluster.dir`.

    Args:
        config: the whole site's.
        threshold: the same-person threshold of the nodes' embedder.
        zero: seconds since 1970 at the run's time 0.
        network: the mark of the network that describes people; None where it is not known.

    Raises:
        ConfigError: another run writes the store, or another network described the people in it or in the checkpoint.
        OutputError: the checkpoint cannot be opened.
        TrackerError: a setting of the association makes no sense.
    """
    identities = config.identities
    if identities.threshold is None and threshold is not None:
        config = config.model_copy(update={"identities": dataclasses.replace(identities, threshold=threshold)})
    with ExitStack() as failing:
        checkpoints = Checkpoints(Path(config.cluster.dir) / CHECKPOINT)
        failing.callback(checkpoints.close)
        lock = None
        if config.output.store is not None:
            lock = StoreLock(config.output.store, run=f"{Path(config.cluster.dir).absolute()} {zero!r}")
            lock.acquire(_PATIENCE)
            failing.callback(lock.release)
        memory = _memory(config, zero, network, checkpoints, lock)
        failing.pop_all()
    return IdentityDesk(
        memory,
        cameras=[camera.name for camera in config.cameras],
        window=config.sync.window,
        wait=config.cluster.wait,
        checkpoints=checkpoints,
        every=config.cluster.checkpoint,
        live=any(is_live(camera, config.run) for camera in config.cameras),
    )


def _memory(
    config: Config, zero: float, network: bytes | None, checkpoints: Checkpoints, lock: StoreLock | None
) -> Memory:
    """What is known at the start: that of the last checkpoint, or nothing; it holds the lock of the store."""
    with ExitStack() as failing:
        store = None
        if config.output.store is not None:
            store = failing.enter_context(IdentityStore(config.output.store, origin=zero))
        memory = checkpoints.read(store)
        if memory is not None:
            if not same_network(memory.network, network):
                raise ConfigError(f"{checkpoints.path}: its people are described by other weights (embedder.weights)")
            if store is not None:
                need_same_network(store, None, network)
                store.begin(zero)
            memory.service.lock = lock
            failing.pop_all()
            return memory
    service = create_identity_service(config, None, origin=zero, max_late=RESENT, network=network, lock=lock)
    return Memory(service, network=network)


def forget_checkpoint(config: Config) -> None:
    """Remove what an earlier run has left that was killed: its times and numbers mean nothing to a new one."""
    for end in ("", "-wal", "-shm"):
        Path(config.cluster.dir, CHECKPOINT + end).unlink(missing_ok=True)
