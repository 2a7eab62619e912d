"""What the measurements of `relaytrack serve` wait for, instead of for a time."""

from __future__ import annotations

import asyncio

import pytest

from relaytrack.pipeline.benchmarks import serving
from relaytrack.pipeline.benchmarks.served_site import Server
from relaytrack.pipeline.errors import RelayTrackError


def test_threads_that_end_within_the_wait_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that is removed while its address is tried ends a second later: that is no growth."""
    looks = []

    def resources(self: Server) -> dict[str, float]:
        looks.append(1)
        return {"rss_mib": float(len(looks)), "threads": 12.0 if len(looks) <= 6 else 8.0, "files": 9.0}

    monkeypatch.setattr(Server, "resources", resources)
    assert Server("127.0.0.1", 1, 1).settled(seconds=0.6) == {
        "rss_mib": float(len(looks)),
        "threads": 8.0,
        "files": 9.0,
    }


def test_threads_that_stay_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def resources(self: Server) -> dict[str, float]:
        looks.append(1)
        return {"rss_mib": 1.0, "threads": 11.0 + len(looks) % 2, "files": 9.0}

    monkeypatch.setattr(Server, "resources", resources)
    assert Server("127.0.0.1", 1, 1).settled(seconds=0.3)["threads"] == 11.0


def test_waiting_for_viewers_ends_with_the_error_of_one_of_them() -> None:
    async def refused() -> None:
        raise RelayTrackError("refused")

    async def wait() -> None:
        await serving._until(lambda: False, [asyncio.create_task(refused())])

    with pytest.raises(RelayTrackError, match="refused"):
        asyncio.run(wait())
    with pytest.raises(RelayTrackError, match=r"within 0\.1 s"):
        asyncio.run(serving._until(lambda: False, [], limit=0.1))
