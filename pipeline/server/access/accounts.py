"""Accounts, sessions and API tokens in one private file; passwords as argon2 hashes, tokens as SHA-256."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.server.access.account_file import (
    ROLES,
    Account,
    Role,
    Token,
    mark_of,
    read_accounts,
    write_accounts,
)

LOG = logging.getLogger("relaytrack.server")
LOCAL = "local"
"""Who asks while there is no user yet; no user is called so."""
SHORTEST = 10
"""Characters of a password at the least."""
_LONGEST = 1000
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has logged in: name, the value that forms send against forged requests, and the end."""

    user: str
    csrf: str
    expires: float


class Accounts:
    """Who there is. Sessions live in memory only: a restart logs everybody out.

    Args:
        path: the file.
        session_seconds: how long a log-in holds.

    Raises:
        ConfigError: the file cannot be read.
    """

    def __init__(self, path: Path, *, session_seconds: float = 43_200.0) -> None:
        self._path = path
        self.session_seconds = session_seconds
        self._hasher = PasswordHasher()
        self._changing = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._users: dict[str, Account] = {}
        self._tokens: dict[str, Token] = {}
        self._nobody = self._hasher.hash(secrets.token_hex(16))  # an unknown name takes as long as a known one
        self._seen = mark_of(path)
        if self._seen is not None:
            self._users, self._tokens = read_accounts(path)

    def __bool__(self) -> bool:
        """Whether there is any user."""
        return bool(self._users)

    def refresh(self) -> None:
        """Take up what another program has written, such as `relaytrack user`; who is gone or changed is logged out.

        Where the file is gone or damaged, the accounts stay as they were, and the log says so.
        """
        if mark_of(self._path) == self._seen:
            return
        with self._changing:
            self._take_up()

    def _take_up(self) -> None:
        seen = mark_of(self._path)
        if seen in (self._seen, None):
            return
        self._seen = seen
        try:
            users, tokens = read_accounts(self._path)
        except ConfigError as error:
            LOG.error("%s; the accounts stay as they were", error)
            return
        for name, account in self._users.items():
            if name not in users or users[name].hash != account.hash:
                self._end_sessions(name)
        self._users, self._tokens = users, tokens

    # users

    def users(self) -> list[Account]:
        """All users, by name."""
        return sorted(self._users.values(), key=lambda account: account.name)

    def role(self, name: str) -> Role | None:
        """A user's role, None for an unknown one."""
        account = self._users.get(name)
        return None if account is None else account.role

    def set_user(self, name: str, password: str | None, role: Role) -> None:
        """Add a user, or change one; without a password the old one stays.

        Raises:
            ConfigError: the name, the password or the role is of no use, or no admin would be left.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(f"user {name!r}: use letters, digits, '.', '_', '@' and '-', at most 64")
        if name == LOCAL:
            raise ConfigError(f"user {name!r}: this name is taken by the computer itself")
        if role not in ROLES:
            raise ConfigError(f"user {name!r}: a role is one of {', '.join(ROLES)}")
        with self._changing:
            self._take_up()
            before = self._users.get(name)
            if password is None and before is None:
                raise ConfigError(f"user {name!r}: a new user needs a password")
            if password is not None and not SHORTEST <= len(password) <= _LONGEST:
                raise ConfigError(f"user {name!r}: a password has {SHORTEST} to {_LONGEST} characters")
            kept = before.hash if before is not None else ""
            changed = Account(name, kept if password is None else self._hasher.hash(password), role)
            self._keep({**self._users, name: changed}, self._tokens)
            self._end_sessions(name)

    def remove_user(self, name: str) -> None:
        """Remove a user with their sessions and tokens.

        Raises:
            ConfigError: there is no such user, or no admin would be left.
        """
        with self._changing:
            self._take_up()
            if name not in self._users:
                raise ConfigError(f"there is no user {name!r}")
            users = {key: account for key, account in self._users.items() if key != name}
            self._keep(users, {key: token for key, token in self._tokens.items() if token.owner != name})
            self._end_sessions(name)

    def _keep(self, users: dict[str, Account], tokens: dict[str, Token]) -> None:
        if users and not any(account.role == "admin" for account in users.values()):
            raise ConfigError("at least one user must be an admin")
        if not users and self._users:
            raise ConfigError("the last user cannot be removed")
        write_accounts(self._path, users, tokens)
        self._seen = mark_of(self._path)
        self._users, self._tokens = users, tokens

    def _end_sessions(self, name: str) -> None:
        self._sessions = {key: session for key, session in self._sessions.items() if session.user != name}

    # logging in

    def check(self, name: str, password: str) -> bool:
        """Whether a password is right; takes as long for a user who does not exist."""
        account = self._users.get(name)
        try:
            fits = self._hasher.verify(account.hash if account else self._nobody, password[:_LONGEST])
        except (Argon2Error, InvalidHashError):
            return False
        return account is not None and fits

    def open_session(self, name: str) -> tuple[str, Session]:
        """A session and the secret that its cookie holds."""
        secret = secrets.token_urlsafe(32)
        session = Session(name, secrets.token_urlsafe(24), time.time() + self.session_seconds)
        with self._changing:
            now = time.time()
            self._sessions = {key: kept for key, kept in self._sessions.items() if kept.expires > now}
            self._sessions[_digest(secret)] = session
        return secret, session

    def session(self, secret: str | None) -> Session | None:
        """The session of a cookie's secret, None where there is none any more."""
        session = self._sessions.get(_digest(secret)) if secret else None
        return session if session is not None and session.expires > time.time() else None

    def close_session(self, secret: str | None) -> None:
        """Log out."""
        if secret:
            with self._changing:
                self._sessions.pop(_digest(secret), None)

    # tokens

    def tokens(self) -> list[Token]:
        """All tokens, oldest first."""
        return sorted(self._tokens.values(), key=lambda token: token.created)

    def add_token(self, owner: str, role: Role, note: str, days: float | None = None) -> tuple[str, Token]:
        """Make a token; returns its text, which is never seen again, and what is kept of it.

        Raises:
            ConfigError: the role is not one.
        """
        if role not in ROLES:
            raise ConfigError(f"a token's role is one of {', '.join(ROLES)}")
        text = f"rt_{secrets.token_urlsafe(32)}"
        now = time.time()
        expires = None if days is None else now + days * 86_400
        token = Token(secrets.token_hex(4), _digest(text), role, note[:200], owner, now, expires)
        with self._changing:
            self._take_up()
            self._keep(self._users, {**self._tokens, token.id: token})
        return text, token

    def revoke(self, number: str) -> bool:
        """Make a token invalid; False where there is no such token."""
        with self._changing:
            self._take_up()
            if number not in self._tokens:
                return False
            self._keep(self._users, {key: token for key, token in self._tokens.items() if key != number})
            return True

    def token(self, text: str) -> Token | None:
        """The token of a text, None where it is none, revoked or over."""
        digest = _digest(text)
        for token in self._tokens.values():
            if secrets.compare_digest(token.hash, digest):
                return token if token.expires is None or token.expires > time.time() else None
        return None

    def token_role(self, token: Token) -> Role | None:
        """What a token may do: no more than its owner at present; None where its owner is no longer there."""
        if token.owner == LOCAL:
            return token.role
        owner = self.role(token.owner)
        return None if owner is None else min(token.role, owner, key=ROLES.index)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
