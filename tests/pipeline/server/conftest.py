"""One served site for the tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.sites import Served, served


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site that anybody on this computer may use."""
    with served(tmp_path_factory.mktemp("site")) as running:
        yield running
