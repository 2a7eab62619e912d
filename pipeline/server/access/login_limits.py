"""How often a log-in may be tried, so that guessing takes years and a guesser locks nobody out.

Counted are failures: of a name from one address, of an address with any name, and, much more slowly, of a name from all
addresses from which its user never logged in. An attack from elsewhere therefore never holds up a user at their usual
address.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable

from relaytrack.pipeline.server.access.limiter import Limiter
from relaytrack.pipeline.server.store import SiteStore

PAIR, ADDRESS = (5, 60.0), ((10, 60.0), (60, 3600.0))
"""Failures of a name from an address, and of an address with any name, each with the seconds of its window."""
NAME = (100, 3600.0)
"""Failures of a name from addresses that are new for it; more than one address can make alone."""
_KNOWN = 20  # usual addresses of a name that are remembered, the newest
_REMEMBERED = 180 * 86_400.0  # seconds for which one is


class LoginLimits:
    """Lets a try through or not.

    Args:
        store: where the addresses are kept from which users have logged in.
        clock: seconds that only grow.
    """

    def __init__(self, store: SiteStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._pairs = Limiter(*PAIR, clock)
        self._addresses = [Limiter(*bound, clock) for bound in ADDRESS]
        self._names = Limiter(*NAME, clock)

    def take(self, name: str, address: str) -> float:
        """Begin a try, which counts as a failure until `passed`.

        Returns:
            0, or the seconds until a further try is let through; then nothing is counted.
        """
        begun: list[tuple[Limiter, str]] = []
        for limiter, key in self._limits(name, network_of(address)):
            wait = limiter.take(key)
            if wait > 0:
                for earlier, counted in begun:
                    earlier.passed(counted)
                return wait
            begun.append((limiter, key))
        return 0.0

    def passed(self, name: str, address: str) -> None:
        """The try succeeded and does not count; the address is one of the user's from now on.

        Raises:
            OutputError: the disk is full.
        """
        network = network_of(address)
        for limiter, key in self._limits(name, network):
            limiter.passed(key)
        now = time.time()
        with self._store.writing() as database:
            database.execute("INSERT OR REPLACE INTO logins VALUES (?, ?, ?)", (name, network, now))
            database.execute(
                """DELETE FROM logins WHERE epoch < ? OR name = ? AND network NOT IN
                (SELECT network FROM logins WHERE name = ? ORDER BY epoch DESC LIMIT ?)""",
                (now - _REMEMBERED, name, name, _KNOWN),
            )

    def _limits(self, name: str, network: str) -> list[tuple[Limiter, str]]:
        found = [(limiter, network) for limiter in self._addresses]
        found.append((self._pairs, f"{network} {name}"))
        if not self._store.rows("SELECT 1 FROM logins WHERE name = ? AND network = ?", (name, network)):
            found.append((self._names, name))
        return found


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the /64 that a single line gets."""
    try:
        found = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return address
    return str(found if found.version == 4 else ipaddress.ip_network((found, 64), strict=False))
