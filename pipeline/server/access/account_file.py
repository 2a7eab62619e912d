"""The file of accounts: who may log in with which role, and the tokens of programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.results.folder import write_atomically

Role = Literal["viewer", "operator", "admin"]
"""What somebody may do: look; change cameras and people; accounts, settings and forgetting, too."""
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Token:
    """An API token as it is kept: its hash, never itself.

    Attributes:
        id: names it; hash: SHA-256, hexadecimal; role: what it may do; note: what it is for.
        owner: whose it is; created, expires: seconds since 1970 (None: never).
    """

    id: str
    hash: str
    role: Role
    note: str
    owner: str
    created: float
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A user: name, argon2 hash of the password, role."""

    name: str
    hash: str
    role: Role


def mark_of(path: Path) -> tuple[int, int, int] | None:
    """What changes with every writing of a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def read_accounts(path: Path) -> tuple[dict[str, Account], dict[str, Token]]:
    """Users by name and tokens by id.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        users = {entry["name"]: Account(**entry) for entry in content["users"]}
        tokens = {entry["id"]: Token(**entry) for entry in content["tokens"]}
        if not {one.role for one in users.values()} | {one.role for one in tokens.values()} <= set(ROLES):
            raise ValueError
        return users, tokens
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not a file of accounts ({type(error).__name__})") from None


def write_accounts(path: Path, users: dict[str, Account], tokens: dict[str, Token]) -> None:
    """Write all of them, as a whole.

    Raises:
        OutputError: that is not possible.
    """
    content = {
        "users": [asdict(account) for account in users.values()],
        "tokens": [asdict(token) for token in tokens.values()],
    }
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def public(token: Token) -> dict[str, Any]:
    """A token without its hash."""
    content = asdict(token)
    del content["hash"]
    return content
