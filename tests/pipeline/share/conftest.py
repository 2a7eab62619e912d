"""Places of every kind: a folder, a store in memory, and one that speaks S3."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.outgoing import free_port

from relaytrack.pipeline.share.places import SharedPlace, open_place


@pytest.fixture(scope="session")
def s3_bucket() -> Iterator[str]:
    """The address of a bucket of a server that speaks S3, on this machine."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("ENDPOINT_URL", address), ("ACCESS_KEY_ID", "k"), ("SECRET_ACCESS_KEY", "s")):
            patch.setenv(f"AWS_{name}", value)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        try:
            import s3fs

            until = time.monotonic() + 60
            while True:
                try:
                    s3fs.S3FileSystem(skip_instance_cache=True).mkdir("site")
                    break
                except Exception:
                    assert time.monotonic() < until
                    time.sleep(0.3)
            yield "s3://site"
        finally:
            server.kill()
            server.wait()


@pytest.fixture(
    params=[
        "folder",
        pytest.param("memory", marks=pytest.mark.needs("fsspec")),
        pytest.param("s3", marks=pytest.mark.needs("s3")),
    ]
)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new place."""
    if request.param == "folder":
        return str(tmp_path / "shared/run")
    own = f"run{os.getpid()}-{tmp_path.name}"
    if request.param == "memory":
        return f"memory://{own}"
    return f"{request.getfixturevalue('s3_bucket')}/{own}"


@pytest.fixture
def place(address: str) -> SharedPlace:
    """A new place."""
    return open_place(address)
