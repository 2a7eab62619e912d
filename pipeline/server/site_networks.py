"""Which network described the people of a site, and when: looks of other weights cannot be compared."""

from __future__ import annotations

import logging
import time

from relaytrack.pipeline.identity.network_mark import same_network
from relaytrack.pipeline.server.store import SiteStore

LOG = logging.getLogger("relaytrack.server")


class SiteNetworks:
    """Remembers from when on each network described people.

    Args:
        store: the site's memory.
    """

    def __init__(self, store: SiteStore) -> None:
        self._store = store

    def use(self, mark: bytes | None, now: float | None = None) -> None:
        """Note the present network's mark; what another one described is not compared any more, which is told.

        Looks of before there were marks count as the first network's. `now`: seconds since 1970; default: the clock.

        Raises:
            OutputError: the site's file cannot be written.
        """
        if mark is None:
            return
        known = self._store.rows("SELECT mark FROM networks ORDER BY since DESC LIMIT 1")
        if known and same_network(bytes(known[0]["mark"]), mark):
            return
        if known:
            LOG.warning("other weights describe people now: sightings of before are not found by their looks")
        with self._store.writing() as database:
            database.execute("INSERT INTO networks VALUES (?, ?)", ((now or time.time()) if known else 0.0, mark))

    def comparable(self) -> str:
        """The SQL condition of sightings that the present network described."""
        rows = self._store.rows("SELECT since, mark FROM networks ORDER BY since")
        if len(rows) < 2:
            return "1"
        present = bytes(rows[-1]["mark"])
        ends = [*(row["since"] for row in rows[1:]), 1e12]
        spans = [
            f"(first >= {row['since']!r} AND first < {end!r})"
            for row, end in zip(rows, ends, strict=True)
            if same_network(bytes(row["mark"]), present)
        ]
        return f"({' OR '.join(spans)})"
