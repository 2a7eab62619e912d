"""What the measurements of `relaytrack serve` wait for, instead of for a time."""

from __future__ import annotations

import asyncio

import pytest

from relaytrack.pipeline.benchmarks import serving
from relaytrack.pipeline.benchmarks.served_site import Server
from relaytrack.pipeline.errors import RelayTrackError


@pytest.mark.parametrize(("after", "threads"), [(6, 12.0), (10_000, None)])
def test_resources_are_read_once_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, after: int, threads: float | None
) -> None:
    looks = []

    def resources(self: Server) -> dict[str, float]:
        looks.append(1)
        return {"rss_mib": 1.0 + len(looks), "threads": 6.0 + min(len(looks), after), "files": 9.0}

    monkeypatch.setattr(Server, "resources", resources)
    found = Server("127.0.0.1", 1, 1).settled(still=0.2, limit=0.8)
    assert found["threads"] == (threads or 6.0 + len(looks))
    assert len(looks) > 8


def test_waiting_for_viewers_ends_with_the_error_of_one_of_them() -> None:
    async def refused() -> None:
        raise RelayTrackError("refused")

    async def wait() -> None:
        await serving._until(lambda: False, [asyncio.create_task(refused())])

    with pytest.raises(RelayTrackError, match="refused"):
        asyncio.run(wait())
    with pytest.raises(RelayTrackError, match=r"within 0\.1 s"):
        asyncio.run(serving._until(lambda: False, [], limit=0.1))
