"""Runs the application with uvicorn until a signal; everything is complete within five seconds of it."""

from __future__ import annotations

import errno
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn

from relaytrack.pipeline.config.schema import Config, ServerConfig
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.server.app import create_app
from relaytrack.pipeline.server.patience import PatientProtocol, bound_unread
from relaytrack.pipeline.server.reloading import reload_file
from relaytrack.pipeline.server.site import Site

_GRACE = 1  # seconds that requests get to end


def is_local(host: str) -> bool:
    """Whether only this computer reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(settings: ServerConfig, *, users: bool) -> None:
    """Refuse to be seen from outside while nobody has to log in.

    Raises:
        ConfigError: that is what was asked for.
    """
    if not is_local(settings.host) and not users:
        raise ConfigError(
            f"--host {settings.host}: others can reach that address, and there is no user yet; "
            "make one first: relaytrack user add NAME --role admin"
        )


def bind(settings: ServerConfig) -> socket.socket:
    """The socket to listen on.

    Raises:
        ConfigError: the port is taken, or the address is none of this computer's.
    """
    where = f"{settings.host}:{settings.port}"
    found: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound_unread(found)
        found.bind(address)
    except OSError as error:
        if found is not None:
            found.close()
        taken = error.errno == errno.EADDRINUSE
        reason = "another program listens there; choose another --port" if taken else error.strerror or str(error)
        raise ConfigError(f"cannot listen on {where}: {reason}") from None
    return found


def address_of(listening: socket.socket, settings: ServerConfig) -> str:
    """What to type into a browser."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls_cert else 'http'}://{shown}:{listening.getsockname()[1]}/"


class _Server(uvicorn.Server):
    """uvicorn, which lets the site's own readers go as soon as a signal comes."""

    def __init__(self, config: uvicorn.Config, site: Site, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._site, self._on_start = site, on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        threading.Thread(target=self._site.stop, name="stop", daemon=True).start()
        super().handle_exit(sig, frame)


def make_server(site: Site, *, on_start: Callable[[], None] = lambda: None) -> uvicorn.Server:
    """Uvicorn with the site's application and settings; the engine is started and ended by others."""
    settings = site.config.server
    config = uvicorn.Config(
        create_app(site),
        log_level="warning",
        log_config=None,  # its lines look like ours
        access_log=False,
        server_header=False,
        date_header=False,
        http=PatientProtocol,
        ws="websockets-sansio",
        ws_max_size=1024,
        ws_per_message_deflate=False,  # pictures are compressed already
        lifespan="off",
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=15,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=32_768,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    return _Server(config, site, on_start)


def serve(
    site: Site,
    listening: socket.socket,
    *,
    on_start: Callable[[], None] = lambda: None,
    read: Callable[[], Config] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; SIGHUP brings the cameras to what the site's file says.

    Args:
        site: what is served.
        listening: the socket.
        on_start: called once requests are answered.
        read: reads the site's settings anew; without it SIGHUP does nothing.

    Raises:
        RelayTrackError: the engine cannot start, or has lost what this program cannot go on without.
    """
    ended = threading.Event()
    lost: list[BaseException] = []

    def end(number: int, frame: FrameType | None) -> None:
        """During the start; uvicorn has handlers of its own then, and raises the signal again when it has ended."""
        ended.set()
        site.stop()

    def reload(number: int, frame: FrameType | None) -> None:
        if read is not None:
            threading.Thread(target=reload_file, args=(site, read), name="reload", daemon=True).start()

    handlers = dict.fromkeys((signal.SIGINT, signal.SIGTERM), end)
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = reload
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        site.pipeline.start()  # before the page, so that what is wrong is said in one line
        site.watch.start()  # only now, since the engine has a part in requests from before this start
        if not ended.is_set():
            server = make_server(site, on_start=on_start)
            lost = _lost(site, server)
            server.run(sockets=[listening])
    finally:
        site.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    if lost:
        raise lost[0]


def _lost(site: Site, server: uvicorn.Server) -> list[BaseException]:
    """End the server when the engine has ended in a way that it cannot outlive; why stands in the list then."""
    found: list[BaseException] = []

    def mind() -> None:
        try:
            site.pipeline.join()
        except BaseException as error:
            if getattr(error, "leaves_at_once", False):
                found.append(error)
                server.should_exit = True

    threading.Thread(target=mind, name="engine-end", daemon=True).start()
    return found


__all__ = ["address_of", "bind", "check_exposure", "is_local", "make_server", "serve"]
