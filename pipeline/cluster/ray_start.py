"""Joins or starts Ray, and turns what can go wrong there into one line."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import Any, NoReturn

from relaytrack.pipeline.cluster.head_watch import ClusterError, HeadWatch, listens
from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import ConfigError

LOG = logging.getLogger("relaytrack.cluster")
_STORE = 100_000_000  # bytes of Ray's object store that a Ray of our own gets: nothing large goes through it
_NOTE = "/tmp/ray/ray_current_cluster"  # where `ray start` notes the address
_ANSWER = 5.0  # seconds
_GREETING = 20.0  # seconds, until a Ray must have answered
_ADDRESS = re.compile(r"[A-Za-z0-9._-]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of the cluster: Ray's number of it, its address, its CPUs and its resources."""

    node_id: str
    address: str
    cpus: float
    resources: dict[str, float]


def check_address(address: str) -> None:
    """See that an address could be one.

    Raises:
        ConfigError: it is neither "auto" nor HOST:PORT.
    """
    if address != "auto" and not _ADDRESS.fullmatch(address):
        raise ConfigError(f"--cluster {address!r}: write auto, or HOST:PORT of `ray start --head` (port 6379)")


def import_ray() -> Any:
    """Ray, if it is installed; a Ray that is started from here reports its use to nobody.

    Raises:
        ConfigError: it is not.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ModuleNotFoundError:
        raise ConfigError("--cluster needs Ray: pip install 'relaytrack[cluster]'") from None
    return ray


def join_cluster(address: str) -> Any:
    """Join the Ray at an address; "auto" joins the one of this machine, or starts one.

    Returns:
        The module `ray`, connected.

    Raises:
        ConfigError: no such address can be.
        ClusterError: nobody answers there, it refuses the token, or it is another version of Ray or Python.
    """
    check_address(address)
    ray = import_ray()
    if ray.is_initialized():
        return ray
    known = _known_address() if address == "auto" else address
    if known is not None and not listens(known, _ANSWER):
        if address != "auto":
            raise ClusterError(f"--cluster {address}: nobody answers there (is `ray start --head` running?)")
        known = None
    if known is not None:
        _greet(ray, known)
    _hush_ray_threads()
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if known is None:
        os.environ.setdefault("RAY_worker_niceness", "0")  # its workers are nice 15 otherwise
        begin = partial(ray.init, address="local", include_dashboard=False, object_store_memory=_STORE, **quiet)
    else:
        begin = partial(_join, ray, known, quiet)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        begin()
    except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError, ray.exceptions.RayError) as error:
        why = one_line(error)
        raise ClusterError(f"--cluster {address}: Ray cannot be joined ({why[:300]})") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray puts its own there
    return ray


def leave_cluster(code: int) -> NoReturn:
    """End the program as soon as Ray has shut down; Python's usual end unloads all libraries, which takes seconds.

    Args:
        code: the exit code.
    """
    import_ray().shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _hush_ray_threads() -> None:
    """Keep the tracebacks of Ray's own threads, as when they lose the head, out of the terminal."""
    usual = threading.excepthook

    def hook(about: threading.ExceptHookArgs) -> None:
        if about.thread is not None and about.thread.name.startswith("ray_"):
            LOG.debug("thread %s of Ray ended: %s", about.thread.name, about.exc_value)
        else:
            usual(about)

    threading.excepthook = hook


def _join(ray: Any, address: str, settings: dict[str, Any]) -> None:
    """Join a Ray that is there; `ray.init` waits for a head that goes meanwhile until Ray ends the program."""
    head = HeadWatch(address)
    try:
        head.during(partial(ray.init, address=address, **settings))
    finally:
        head.close()


def _known_address() -> str | None:
    """Where a Ray of this machine is, as far as Ray itself has noted it."""
    noted = os.environ.get("RAY_ADDRESS", "")
    if _ADDRESS.fullmatch(noted):
        return noted
    try:
        noted = Path(_NOTE).read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return noted if _ADDRESS.fullmatch(noted) else None


def _greet(ray: Any, address: str) -> None:
    """See that a Ray answers, and that it takes our token: `ray.init` waits without end for one that does not.

    Raises:
        ClusterError: nobody answers in time, or the token is refused.
    """
    answer: Queue[BaseException | None] = Queue()

    def ask() -> None:
        try:
            ray._raylet.GcsClient(address=address).internal_kv_get(b"relaytrack", None, timeout=_ANSWER)
            answer.put(None)
        except BaseException as error:
            answer.put(error)

    threading.Thread(target=ask, name="greet", daemon=True).start()
    try:
        error = answer.get(timeout=_GREETING)
    except Empty:
        raise ClusterError(f"--cluster {address}: no Ray answers there within {_GREETING:g} s") from None
    refused = getattr(ray.exceptions, "AuthenticationError", ())
    if isinstance(error, refused):
        raise ClusterError(
            f"--cluster {address}: the token was refused; set RAY_AUTH_MODE to token, and copy "
            "~/.ray/auth_token of the head to this machine"
        )
    if error is not None:
        raise ClusterError(f"--cluster {address}: Ray cannot be joined ({' '.join(str(error).split())[:300]})")


def machines(ray: Any) -> list[Machine]:
    """The machines that are alive, this one first."""
    here = ray.get_runtime_context().get_node_id()
    found = [
        Machine(node["NodeID"], node["NodeManagerAddress"], node["Resources"].get("CPU", 0.0), node["Resources"])
        for node in ray.nodes()
        if node["Alive"]
    ]
    return sorted(found, key=lambda machine: (machine.node_id != here, machine.node_id))
