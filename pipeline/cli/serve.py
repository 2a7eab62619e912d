"""`relaytrack serve`: the engine with a page, an API and live pictures."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from relaytrack.reid.paths import plain_path

LOG = logging.getLogger("relaytrack.server")

HELP = "follow a site's cameras until stopped: live pictures, people and events in a browser, and an API"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack serve`."""
    parser.add_argument(
        "site",
        nargs="?",
        type=plain_path,
        metavar="SITE.yaml",
        help="settings, as for `run`; changes made in the page are written to it",
    )
    parser.add_argument(
        "--host", metavar="ADDRESS", help="address to listen at (server.host; 127.0.0.1: this machine only)"
    )
    parser.add_argument("--port", type=int, metavar="N", help="port to listen at (server.port; 8600)")
    parser.add_argument("--dir", metavar="DIR", help="folder of accounts, people and events (server.dir; out/site)")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate chain for https (server.tls_cert)")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key (server.tls_key)")
    parser.add_argument(
        "--cluster",
        metavar="auto|HOST:PORT",
        help="follow the cameras on the machines of a Ray cluster (docs/cluster.md)",
    )
    parser.add_argument("--log-format", choices=("text", "json"), help="how the log's lines look (text)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override any key")


def load_site(args: argparse.Namespace) -> tuple[Any, Path]:
    """The settings and the file that they are written to.

    Raises:
        ConfigError: they are of no use, or the address of `--cluster` cannot be one.
    """
    from relaytrack.pipeline.config.loading import load_config, parse_assignment

    if getattr(args, "cluster", None) is not None:
        from relaytrack.pipeline.cluster.ray_start import check_address

        check_address(args.cluster)
    overrides: dict[str, Any] = dict(parse_assignment(text) for text in args.set)
    for key in ("host", "port", "dir", "tls_cert", "tls_key"):
        value = getattr(args, key, None)
        if value is not None:
            overrides[f"server.{key}"] = value
    if args.site:
        return load_config(args.site, overrides=overrides), Path(args.site)
    folder = Path(load_config(overrides=overrides).server.dir)
    path = folder / "site.yaml"
    return load_config(path if path.exists() else None, overrides=overrides), path


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code; SIGINT and SIGTERM end it, SIGHUP reads the cameras anew."""
    from relaytrack.pipeline.cli.log_lines import log_lines
    from relaytrack.pipeline.errors import RelayTrackError

    as_json = args.log_format == "json"
    with log_lines(dated=True, style="json" if as_json else "text", level=logging.INFO):
        try:
            return _serve(args, tell=LOG.info if as_json else _say)
        except RelayTrackError as error:
            if not as_json:
                raise
            from relaytrack.pipeline.config.urls import one_line

            LOG.error("%s", one_line(error))
            return 2


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _engine(cluster: str | None) -> dict[str, Any]:
    """What follows the cameras, for `open_site`: this process, or the machines of a cluster.

    Raises:
        ConfigError: Ray is not installed.
    """
    if cluster is None:
        return {}
    from relaytrack.pipeline.cluster.cluster_engine import ClusterEngine
    from relaytrack.pipeline.cluster.far_live import FarLive
    from relaytrack.pipeline.cluster.far_recordings import FarRecordings
    from relaytrack.pipeline.cluster.ray_start import import_ray

    import_ray()
    there: dict[str, Any] = {"live": FarLive(), "recordings": FarRecordings()}
    return {"make": partial(ClusterEngine, address=cluster, **there), **there}


def _serve(args: argparse.Namespace, tell: Callable[[str], None]) -> int:
    from relaytrack.pipeline.errors import ConfigError
    from relaytrack.pipeline.results.single_file import check_folder

    config, path = load_site(args)
    check_folder(Path(config.server.dir), room=0)  # before the seconds that the networks' libraries take
    try:
        from relaytrack.pipeline.server.serving import address_of, bind, check_exposure, serve
        from relaytrack.pipeline.server.site_file import SiteFile
        from relaytrack.pipeline.server.site_opening import open_site
    except ModuleNotFoundError as error:
        raise ConfigError(f"serve needs {error.name}: pip install 'relaytrack[web]'") from None
    from relaytrack.pipeline.cli.progress import weights_licence

    settings = config.server
    for name in (settings.tls_cert, settings.tls_key):
        if name is not None and not Path(name).is_file():
            raise ConfigError(f"server.tls_cert, tls_key: there is no file {name}")
    site = open_site(config, SiteFile(path, Path(settings.dir) / "history"), **_engine(args.cluster))
    try:
        check_exposure(settings, users=bool(site.accounts))
        listening = bind(settings)
    except ConfigError:
        site.abandon()
        raise
    address = address_of(listening, settings)
    licence = weights_licence(config)
    if licence:
        tell(licence)
    with listening:
        serve(site, listening, on_start=lambda: tell(f"open {address}"), read=lambda: load_site(args)[0])
    if args.cluster is not None:
        from relaytrack.pipeline.cluster.ray_start import leave_cluster

        leave_cluster(0)
    gc.freeze()  # all is written; looking through the networks' objects once more would take seconds at the exit
    return 0
