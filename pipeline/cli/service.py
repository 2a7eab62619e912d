"""`relaytrack service`: `relaytrack serve` as a service of systemd."""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relaytrack.pipeline.server.systemd_unit import SiteService

HELP = "`relaytrack serve` as a service of systemd: write its unit, or print it"
_CHECK_SECONDS = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack service`."""
    from relaytrack.pipeline.cli import serve

    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    install = actions.add_parser("install", help="write the unit", description=HELP)
    serve.add_arguments(install)
    install.add_argument("--name", default="relaytrack", help="what the service is called (relaytrack)")
    install.add_argument("--system", action="store_true", help="a unit of the machine, for root; default: your own")
    install.add_argument("--run-as", metavar="USER", help="who runs a --system service; default: who called sudo")
    install.add_argument("--print", action="store_true", dest="show", help="print the unit and write nothing")
    install.add_argument("--overwrite", action="store_true", help="replace another unit of that name")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    service = _service(args)
    if args.show:
        print(service.text(), end="")
        return 0
    _install(service, overwrite=args.overwrite)
    user = "" if service.run_as else "--user "
    print(f"written: {service.unit_path}")
    print(f"start it: systemctl {user}daemon-reload && systemctl {user}enable --now {service.name}")
    if not service.run_as:
        print("it runs while you are logged in; to keep it running: loginctl enable-linger")
    return 0


def _service(args: argparse.Namespace) -> SiteService:
    """What the unit says.

    Raises:
        ConfigError: the settings, the name or the user is of no use.
    """
    from relaytrack.pipeline.cli.serve import load_site
    from relaytrack.pipeline.errors import ConfigError
    from relaytrack.pipeline.server.systemd_unit import NAME, SiteService, program, written_folders

    if not NAME.fullmatch(args.name):
        raise ConfigError(f"--name {args.name}: use letters, digits, '.', '_' and '-', at most 64")
    config, path = load_site(args)
    run_as = None
    if args.system:
        run_as = args.run_as or os.environ.get("SUDO_USER") or getpass.getuser()
        if args.cluster is not None:
            raise ConfigError("--system: such a unit cannot reach a Ray of this machine; with --cluster leave it out")
        if run_as == "root":
            raise ConfigError("--system: the service should not run as root; name the user who runs it: --run-as USER")
    elif args.run_as:
        raise ConfigError("--run-as works only with --system; without it the service runs as you")
    words = ["serve", *([str(path.absolute())] if args.site else [])]
    for key in ("host", "port", "dir", "tls_cert", "tls_key", "cluster", "log_format"):
        given = getattr(args, key)
        if given is not None:  # as the settings understand it: `~` is the home folder of who writes the unit
            words += [f"--{key.replace('_', '-')}", str(getattr(config.server, key, given))]
    for text in args.set:
        words += ["--set", text]
    return SiteService(
        name=args.name,
        command=(*program(), *words),
        folder=Path.cwd(),
        writable=written_folders(config, path),
        run_as=run_as,
    )


def _install(service: SiteService, *, overwrite: bool) -> None:
    """Write the unit and the folders that it needs, and let systemd check it where it is at hand.

    Raises:
        ConfigError: there is another unit of that name, or no such user.
        OutputError: something cannot be written.
    """
    from relaytrack.pipeline.errors import ConfigError
    from relaytrack.pipeline.results.folder import make_folder, writing

    path, text = service.unit_path, service.text()
    if path.exists() and path.read_text(encoding="utf-8") != text and not overwrite:
        raise ConfigError(f"{path}: a unit of that name exists already and differs; --overwrite replaces it")
    for folder in service.writable:  # systemd refuses to start a service whose folders are missing
        if not folder.is_dir():
            with writing(folder):
                make_folder(folder)
            if service.run_as is not None:
                _give(folder, service.run_as)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for line in complaints(path, user=service.run_as is None):
        print(f"systemd-analyze: {line}", file=sys.stderr)


def _give(folder: Path, user: str) -> None:
    from relaytrack.pipeline.errors import ConfigError
    from relaytrack.pipeline.results.folder import writing

    try:
        with writing(folder):
            shutil.chown(folder, user)
    except LookupError:
        raise ConfigError(f"--run-as {user}: there is no such user") from None


def complaints(unit: Path, *, user: bool) -> list[str]:
    """What `systemd-analyze verify` says of a unit; nothing where it is fine, or the program not at hand."""
    found = shutil.which("systemd-analyze")
    if found is None:
        return []
    command = [found, "verify", "--man=no", *(["--user"] if user else []), str(unit)]
    with TemporaryDirectory() as spare:  # --user wants a folder of a log-in, which cron and sudo lack
        environment = {"XDG_RUNTIME_DIR": spare, **os.environ}
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_CHECK_SECONDS, env=environment)
        except (OSError, subprocess.TimeoutExpired) as error:
            return [f"the unit was not checked: {error}"]
    return [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
