"""A Ray cluster of several machines, all on this one, and the run without Ray that others are compared with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cluster_site import results, site

from relaytrack.pipeline.engine import Pipeline

NICENESS = "RAY_worker_niceness"
"""Ray's workers are nice 15 otherwise: on a busy machine the tests would wait for minutes."""


@pytest.fixture(scope="package")
def alone(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The results of one machine."""
    folder = tmp_path_factory.mktemp("alone")
    Pipeline(site(samples, folder)).run()
    return results(folder)


@pytest.fixture(scope="package")
def ray_cluster() -> Iterator[Any]:
    """Three machines, one of them the head."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ.setdefault(NICENESS, "0")
    small = {"num_cpus": 2, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(**small)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
