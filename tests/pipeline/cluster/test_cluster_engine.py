"""A cluster's site and the network that describes people: that of the machines, not that of the server."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from relaytrack.pipeline import build
from relaytrack.pipeline.cluster import cluster_engine
from relaytrack.pipeline.cluster.cluster_engine import ClusterEngine
from relaytrack.pipeline.cluster.far_live import FarLive
from relaytrack.pipeline.cluster.far_recordings import FarRecordings
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError

MARKS = [np.random.default_rng(seed).normal(size=64).astype("<f2").tobytes() for seed in (1, 2)]


def _engine() -> ClusterEngine:
    config = Config.model_validate({"output": {"dir": None}})
    return ClusterEngine(config, until="stopped", live=FarLive(), recordings=FarRecordings())


@pytest.mark.parametrize(("here", "refused"), [(MARKS[0], False), (None, False), (MARKS[1], True)])
def test_a_picture_is_searched_with_the_weights_of_the_machines_only(
    here: bytes | None, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the server described the picture with its own weights and compared it with what the machines had seen."""
    loaded = SimpleNamespace(embedder=SimpleNamespace(fingerprint=here))
    monkeypatch.setattr(build, "create_perception", lambda config: loaded)
    engine = _engine()
    assert engine.networks() is loaded, "nobody has described anybody yet"
    engine._run = SimpleNamespace(network=MARKS[0])  # type: ignore[assignment]
    if refused:
        with pytest.raises(ConfigError, match=r"^embedder\.weights: those on this machine are others than where"):
            engine.networks()
    else:
        assert engine.networks() is loaded


def test_a_site_is_told_by_which_network_its_machines_describe_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: after a start with other weights, sightings of before were found by looks that cannot be compared."""

    class Run:
        network = MARKS[1]
        calls = SimpleNamespace(tell=None)

        def __init__(self, ray: Any, config: Config, *_: Any, **__: Any) -> None:
            self.config = config

        def begin(self, sinks: Any) -> None:
            """All is well."""

    ray = SimpleNamespace(get_runtime_context=lambda: SimpleNamespace(gcs_address=""))
    head = SimpleNamespace(following=lambda work, stop: work())
    for name, value in {
        "preflight": lambda *_, **__: None,
        "check_share": lambda config: None,
        "begin_share": lambda config: config,
        "join_cluster": lambda address: ray,
        "HeadWatch": lambda address: head,
        "SiteRun": Run,
    }.items():
        monkeypatch.setattr(cluster_engine, name, value)
    told: list[bytes | None] = []
    engine = _engine()
    engine.on_mark = told.append
    assert engine._prepare()
    assert told == [MARKS[1]]


def test_the_server_of_a_cluster_looks_for_garbage_apart_from_what_was_there_before() -> None:
    engine, frozen = _engine(), []
    follow = lambda stop: frozen.append(gc.get_freeze_count())  # noqa: E731
    engine._run = SimpleNamespace(network=None, follow=follow)  # type: ignore[assignment]
    engine._head = SimpleNamespace(following=lambda work: work())  # type: ignore[assignment]
    engine._carry_out()
    assert frozen[0] > 0
    assert gc.get_freeze_count() == 0
