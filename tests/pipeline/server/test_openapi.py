"""Schemathesis: whatever the OpenAPI document allows, and what it does not, is answered without a server error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.sites import Served, served, settled

schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 12
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ENDLESS = {("GET", "/api/v1/events/stream")}
"""Streams that end with the reader."""
SOUND = {("PUT", "/api/v1/config/{key}"): {"value": 12.0}}
"""Bodies that go through, for routes where chance hardly finds one."""


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site that may be spoilt; its client is an admin, and stays so when accounts are made."""
    with served(tmp_path_factory.mktemp("tried"), users={"root": "admin"}) as running:
        text, _ = running.site.accounts.add_token("root", "admin", "")
        running.http.headers["authorization"] = f"Bearer {text}"
        yield running


def test_no_request_makes_a_server_error(tried: Served) -> None:
    person = settled(tried)
    real = {"name": "door", "identity": person["identity"], "sighting": person["picture"], "key": "events.dwell"}
    schema = schemathesis.openapi.from_dict(tried.get("/api/v1/openapi.json").json())
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 25
    answered: dict[str, set[int]] = {}
    for operation in sorted(operations, key=lambda one: METHODS.index(one.method.upper())):
        if (operation.method.upper(), operation.path) not in ENDLESS:
            _try(tried, operation, real, answered)
    assert set(answered) == set(METHODS)
    for method, codes in answered.items():
        assert codes & {200, 201, 204}, f"no {method} has gone through"
        assert 401 not in codes
    assert tried.get("/ready").status_code == 200, "the engine has survived it"


def _try(site: Served, operation: Any, real: Mapping[str, Any], answered: dict[str, set[int]]) -> None:
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    cases = st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, known=st.booleans(), sound=st.booleans())
    def ask(case: Any, known: bool, sound: bool) -> None:
        if known:
            case.path_parameters = {name: real.get(name, value) for name, value in case.path_parameters.items()}
        if known and sound:
            case.body = SOUND.get((operation.method.upper(), operation.path), case.body)
        answer = case.call(base_url=site.url, timeout=20, headers=dict(site.http.headers))
        answered.setdefault(case.method.upper(), set()).add(answer.status_code)
        asked = f"{case.method} {case.formatted_path} {case.query} {case.body!r}"
        where = f"{asked}: {answer.status_code} {answer.content[:300]!r}"
        assert answer.status_code < 500, where
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == ["application/problem+json"], where
            assert json.loads(answer.content)["detail"], where

    ask()


@pytest.mark.parametrize(
    "path",
    ["/people/{}", "/events?before={}", "/people?camera={}", "/events?kind={}", "/cameras/{}", "/search?camera={}"],
)
@pytest.mark.parametrize("value", ["1" + "0" * 30, "-1", "%00", "%f0%9f%92%a9", "a" * 3000, "' OR 1=1 --", "../.."])
def test_pages_take_odd_values(tried: Served, path: str, value: str) -> None:
    assert tried.get(path.format(value)).status_code in (200, 404, 422)
