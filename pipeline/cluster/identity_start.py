"""Starts and ends the identity service of a cluster, on the machine that starts the run."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

from relaytrack.pipeline.cluster.greetings import DeskStatus
from relaytrack.pipeline.cluster.head_watch import ClusterError
from relaytrack.pipeline.cluster.identity_actor import IdentityActor
from relaytrack.pipeline.cluster.ray_bus import IDENTITIES, NAMESPACE
from relaytrack.pipeline.cluster.site import forget_checkpoint
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.identity.store_lock import need_free

_RAISED = re.compile(r"(?:relaytrack\.[\w.]*|sqlite3\.|\w*)Error: (.+)")  # the last line of a traceback
_SILENT = 4.0  # seconds without a call after which an identity service counts as left over from a killed start
_START = 120.0
_LETS_GO = 5.0  # seconds in which the process of a service that was ended lets the store go
_CLOSE = 30.0


def begin_identities(
    ray: Any, config: Config, threshold: float | None, zero: float, network: bytes | None = None
) -> DeskStatus:
    """Start the identity service here.

    Args:
        ray: the module, connected.
        config: the whole site's.
        threshold: the same-person threshold of the programs' embedder.
        zero: seconds since 1970 at the run's time 0.
        network: the mark of the embedder's network; None where it is not known.

    Raises:
        ClusterError: the cluster follows a site already, or the service cannot start.
        ConfigError: another run writes the store of identities.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    _remove_orphan(ray)
    need_free(config.output.store, _LETS_GO)
    forget_checkpoint(config)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = (
        ray.remote(IdentityActor)
        .options(
            name=IDENTITIES,
            namespace=NAMESPACE,
            lifetime="detached",
            num_cpus=0,
            max_restarts=-1,
            max_concurrency=10_000,
            scheduling_strategy=here,
        )
        .remote(config.model_dump_json(), threshold, zero, network)
    )
    try:
        found: DeskStatus = ray.get(actor.status.remote(), timeout=_START)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", error)
        raise ClusterError(f"the identity service cannot start: {reason_of(str(cause))}") from None
    return found


def reason_of(text: str) -> str:
    """Why a part of Ray's could not begin, in one line; `text` may hold the traceback of its program."""
    told = [match[1] for line in text.splitlines() if (match := _RAISED.match(line))]
    return told[-1] if told else " ".join(text.split())[-300:]


def _remove_orphan(ray: Any) -> None:
    """End an identity service that nobody speaks to: its start was killed.

    Raises:
        ClusterError: somebody does.
    """
    for again in (True, False):
        try:
            actor = ray.get_actor(IDENTITIES, namespace=NAMESPACE)
            silent = float(ray.get(actor.silent.remote(), timeout=_SILENT))
        except (ValueError, ray.exceptions.RayActorError):
            return
        except ray.exceptions.GetTimeoutError:
            silent = 0.0
        if silent > _SILENT:
            ray.kill(actor)
            return
        if again:
            time.sleep(_SILENT + 1.0)
    raise ClusterError("this Ray cluster follows a site already")


def end_identities(ray: Any) -> None:
    """Let the identity service write what it knows, and close its files; the checkpoint goes."""
    actor = ray.get_actor(IDENTITIES, namespace=NAMESPACE)
    ray.get(actor.close.remote(True), timeout=_CLOSE)


def kill_identities(ray: Any) -> None:
    """End the identity service at once, if it is there."""
    with contextlib.suppress(Exception):
        ray.kill(ray.get_actor(IDENTITIES, namespace=NAMESPACE))
