"""Makes the identity service of a run. It loads no library of the networks: a program that only decides needs none."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack

from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.identity.network_mark import mark_of, same_network
from relaytrack.pipeline.identity.service import MAX_LATE, LocalIdentityService
from relaytrack.pipeline.identity.store_lock import StoreLock
from relaytrack.trackers import GroundPlane, IdentityAssociator, IdentityStore


def create_identity_service(
    config: Config,
    embedder: object | None,
    planes: Mapping[str, GroundPlane] | None = None,
    *,
    origin: float | None = None,
    live: bool = False,
    max_late: float = MAX_LATE,
    network: bytes | None = None,
    lock: StoreLock | None = None,
) -> LocalIdentityService:
    """The association in this process; `planes` as of `ground_planes`, read here where they are not given.

    `embedder` is what describes people, None where another program does that. Where the configuration leaves it open,
    the same-person threshold is the calibrated one of its weights.

    `origin` is the time since 1970 at the run's time 0, for the store; None takes now. The store of a live run lets go
    of people who were not seen for `output.retain_hours`, or `identities.max_age` where that is longer.

    `max_late`: seconds by which a camera's message may be behind the newest one and still count.

    `network`: the mark of the network that describes people, where `embedder` is None; see `mark_of`.

    `lock`: that of the store, where the caller has taken it; the service lets it go in the end.

    Raises:
        TrackerError: a setting that makes no sense.
        ConfigError: a travel time names a camera that is not there, another run writes the store, or another network
            described the people in it.
    """
    identities = config.identities
    threshold = getattr(embedder, "threshold", None)
    if identities.threshold is None and threshold is not None:
        identities = dataclasses.replace(identities, threshold=threshold)
    names = [camera.name for camera in config.cameras]
    for first, second, *_ in identities.travel_times if names else ():
        for name in {first, second} - set(names):
            raise ConfigError(f"identities.travel_times: there is no camera {name!r}")
    planes = ground_planes(config) if planes is None else planes
    store = None
    with ExitStack() as failing:
        if config.output.store is not None:
            if lock is None:
                lock = StoreLock(config.output.store)
                lock.acquire()
            failing.callback(lock.release)
            store = IdentityStore(config.output.store, origin=origin, retain=_retain(config) if live else None)
            failing.callback(store.close)
            need_same_network(store, embedder, network)
        associator = IdentityAssociator(identities, calibrations=planes, store=store, max_late=max_late)
        failing.pop_all()
    return LocalIdentityService(associator, store=store, lock=lock, cameras=names, max_late=max_late)


def need_same_network(store: IdentityStore, embedder: object | None, network: bytes | None = None) -> None:
    """Refuse and close a store whose people another network described, as far as that is known.

    A store that does not know its network, as those of before, keeps this one's mark.

    Raises:
        ConfigError: it was another one.
    """
    lengths, mine = store.lengths(), getattr(embedder, "dim", None)
    if lengths and isinstance(mine, int) and lengths != {mine}:
        store.close()
        theirs = " or ".join(map(str, sorted(lengths)))
        raise ConfigError(
            f"output.store {store.path}: its people are described by {theirs} numbers each, and this network gives "
            f"{mine}: use the network that made it, or another file"
        )
    mark = network or mark_of(embedder)
    if lengths and not same_network(store.network(), mark):
        store.close()
        raise ConfigError(
            f"output.store {store.path}: its people are described by other weights (embedder.weights) than these: use "
            "those that made it, or another file"
        )
    if mark is not None and (not lengths or store.network() is None):
        store.keep_network(mark)


def _retain(config: Config) -> float | None:
    """Seconds for which the store of a live run keeps people who are not seen again."""
    hours, needed = config.output.retain_hours, config.identities.max_age
    return None if hours is None or needed == 0 else max(hours * 3600.0, needed)
