"""`relaytrack user`: who may log in to the page of `relaytrack serve`."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from relaytrack.reid.paths import plain_path

HELP = "users of the page of `relaytrack serve`: add, list, remove"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack user`."""
    parser.add_argument("action", choices=("add", "list", "remove"))
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("--role", choices=("viewer", "operator", "admin"), default="viewer")
    parser.add_argument(
        "--site", type=plain_path, metavar="SITE.yaml", help="the site's settings; default: those in --dir"
    )
    parser.add_argument("--dir", metavar="DIR", help="folder of the accounts (server.dir; out/site)")


def run(args: argparse.Namespace) -> int:
    """Run the command; a password is read from the terminal, or from a pipe's first line."""
    from relaytrack.pipeline.cli.serve import load_site
    from relaytrack.pipeline.errors import ConfigError

    try:
        from relaytrack.pipeline.server.access.accounts import Accounts
    except ModuleNotFoundError as error:
        raise ConfigError(f"user needs {error.name}: pip install 'relaytrack[web]'") from None

    args.set = []
    config, _ = load_site(args)
    accounts = Accounts(Path(config.server.dir) / "accounts.json")
    if args.action == "list":
        for account in accounts.users():
            print(f"{account.name}\t{account.role}")
        return 0
    if not args.name:
        raise ConfigError(f"user {args.action}: give a name")
    if args.action == "remove":
        accounts.remove_user(args.name)
        return 0
    accounts.set_user(args.name, _password(), args.role)
    print(f"user {args.name} ({args.role}) is in {config.server.dir}; a running server knows it at once")
    return 0


def _password() -> str:
    from relaytrack.pipeline.errors import ConfigError

    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("password: ")
    if first != getpass.getpass("again: "):
        raise ConfigError("the two passwords differ")
    return first
